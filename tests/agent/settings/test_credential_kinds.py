"""SERVICES_FILE: the kinds of credentials that a service may declare, and their faults."""

import pytest
from pydantic import ValidationError

from identity.credentials.placement import Placement
from identity.credentials.requirement import (
    AccessTokenRequirement,
    ApiKeyRequirement,
    CloudRoleRequirement,
    IssuedJwtRequirement,
    OAuthTokenRequirement,
)
from tools.service_declarations import CloudRoleDeclaration, OAuthTokenDeclaration


@pytest.mark.parametrize(
    ("declared", "requirement"),
    [
        (
            'issued_jwt = { provider = "p", audience = "https://a.example", claims = { tier = "gold" } }',
            IssuedJwtRequirement("p", "https://a.example", (("tier", "gold"),)),
        ),
        (
            'cloud_role = { role = "acs:ram::1:role/reader", seconds = 900 }',
            CloudRoleRequirement("acs:ram::1:role/reader", 900),
        ),
        (
            'oauth_token = { provider = "p", scopes = ["read"], parameters = { access_type = "offline" } }',
            OAuthTokenRequirement("p", ("read",), (("access_type", "offline"),)),
        ),
    ],
)
async def test_credential_is_declared_with_all_that_it_needs(made, declared, requirement):
    service = '[services.reports]\ntype = "http"\nurl = "https://x.example"\npython = "payroll.py:service"'
    (reports,) = made(f"{service}\n{declared}")
    assert reports.credential == requirement
    await reports.aclose()


async def test_further_credentials_are_declared_each_in_its_place(made):
    (reports,) = made("""
[services.reports]
type = "http"
url = "https://reports.example"
access_token = "https://reports.example|reports.read"
also = [
  { api_key = "gateway_key", placement = { header = "X-API-Key" } },
  { issued_jwt = { provider = "service_jwt", audience = "tenants" }, placement = { query = "tenant" } },
]
max_response_bytes = 1000
max_result_characters = 20
python = "payroll.py:service"
""")
    first, *others = reports.credential.parts
    assert first == AccessTokenRequirement("https://reports.example|reports.read")
    assert others == [ApiKeyRequirement("gateway_key"), IssuedJwtRequirement("service_jwt", "tenants")]
    assert [each.placement for each in others] == [Placement("X-API-Key"), Placement(query="tenant")]
    assert reports.credential.carried == {
        "audience": "https://reports.example",
        "scope": "reports.read",
        "credential": "gateway_key service_jwt|tenants",
    }
    await reports.aclose()


def test_further_credentials_need_a_first_one_and_places_of_their_own(read_declared):
    http = 'type = "http"\nurl = "https://x.example"\npython = "a:b"'
    entries = {
        "a": 'also = [{ api_key = "k" }]',
        "b": 'api_key = "k"\nalso = [{ placement = { header = "X-Key" } }]',
        "c": 'api_key = "k"\nalso = [{ api_key = "l", placement = { header = "authorization" } }]',
        "d": 'cloud_role = { role = "acs:ram::1:role/r" }\n'
        'also = [{ api_key = "l", placement = { header = "X-Key" } }]',
    }
    _, faults = read_declared(
        "\n".join(f"[services.{name}]\n{http}\n{entry}" for name, entry in entries.items())
    )
    assert [fault.split(" ", 2)[1] for fault in faults] == [
        "services.a",
        "services.b.also.0",
        "services.c",
        "services.d",
    ]
    assert ["of its own" in fault for fault in faults] == [False, False, True, True]


def test_cloud_role_has_bounds_no_placement_and_no_mcp_server(read_declared):
    _, faults = read_declared("""
[services.a]
type = "mcp"
url = "https://x.example"
cloud_role = { role = "acs:ram::1:role/reader" }
[services.b]
type = "http"
url = "https://x.example"
python = "a:b"
cloud_role = { role = "reader", seconds = 60 }
[services.c]
type = "http"
url = "https://x.example"
python = "a:b"
cloud_role = { role = "acs:ram::1:role/reader" }
placement = { header = "X-Key" }
""")
    places = (
        "a.cloud_role is unknown",
        "b.cloud_role.role",
        "b.cloud_role.seconds",
        "c must have no placement",
    )
    assert [place for place in places if not any(f"services.{place}" in fault for fault in faults)] == []


def test_audience_of_idaas_and_claims_of_the_issuer_are_faults(read_declared):
    _, faults = read_declared("""
[services.a]
type = "mcp"
url = "https://x.example"
issued_jwt = { provider = "p", audience = "urn:cloud:idaas:pam" }
[services.b]
type = "mcp"
url = "https://x.example"
issued_jwt = { provider = "p", audience = "a", claims = { sub = "bob" } }
""")
    assert ["audience" in faults[0], 'claim "sub"' in faults[1], len(faults)] == [True, True, 2]


@pytest.mark.parametrize(
    "declaration",
    [
        {"role": "acs:ram::\u0661:role/reader"},  # a digit of the Arabic script
        {"role": "acs:ram::1:role/le\u00e7teur"},
    ],
)
def test_arn_of_cloud_role_is_ascii(declaration):
    with pytest.raises(ValidationError):
        CloudRoleDeclaration.model_validate(declaration)


def test_names_of_parameters_of_consents_are_ascii():
    with pytest.raises(ValidationError):
        OAuthTokenDeclaration(provider="calendar", parameters={"acc\u00e8s": "offline"})
