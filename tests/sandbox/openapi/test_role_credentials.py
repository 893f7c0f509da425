"""Credentials of the execution role: which requests get none, and when they are replaced."""

import httpx
import pytest

from sandbox.ram import OIDC_PROVIDER_ARN, ROLE_ARN

ROLES = "/latest/meta-data/ram/security-credentials/"


@pytest.fixture
def plain(sandbox):
    with httpx.Client(base_url=sandbox.cloud.addresses.idaas_plain) as client:
        yield client


@pytest.fixture
def assume(sandbox, client):
    """AssumeRoleWithOIDC with good parameters; keywords override them."""

    def call(**parameters):
        good = {
            "Action": "AssumeRoleWithOIDC",
            "Format": "JSON",
            "Version": "2015-04-01",
            "DurationSeconds": "3600",
            "RoleArn": ROLE_ARN,
            "OIDCProviderArn": OIDC_PROVIDER_ARN,
            "OIDCToken": sandbox.cloud.federation.id_token("sts.aliyuncs.com"),
            "RoleSessionName": "agent",
        }
        return client.post(f"https://{sandbox.cloud.addresses.openapi}/", params=good | parameters)

    return call


def test_credentials_uri_repeats_its_credentials_until_they_are_about_to_end(sandbox, plain) -> None:
    def key():
        return plain.get("/ram/credentials").json()["AccessKeyId"]

    first = key()
    assert key() == first
    sandbox.clock.advance(2700)
    second = key()
    assert second != first
    sandbox.cloud.execution_role.expire()
    assert key() != second


def test_web_pages_do_not_read_the_credentials(plain) -> None:
    assert plain.get("/ram/credentials", headers={"Origin": "https://evil.example"}).status_code == 403


@pytest.mark.parametrize(
    ("parameters", "expected"),
    [
        ({"RoleArn": "acs:ram::1:role/other"}, (404, "EntityNotExist.Role")),
        ({"OIDCProviderArn": "acs:ram::1:oidc-provider/x"}, (404, "EntityNotExist.OIDCProvider")),
        ({"OIDCToken": "x"}, (400, "AuthenticationFail.OIDCToken.Invalid")),
        ({"OIDCToken": ""}, (400, "MissingOIDCToken")),
        ({"DurationSeconds": "899"}, (400, "InvalidParameter.DurationSeconds")),
        ({"DurationSeconds": "3601"}, (400, "InvalidParameter.DurationSeconds")),
        ({"RoleSessionName": ""}, (400, "MissingRoleSessionName")),
    ],
)
def test_wrong_parameters_of_assume_role_are_refused(assume, parameters, expected) -> None:
    response = assume(**parameters)
    assert (response.status_code, response.json()["Code"]) == expected


@pytest.mark.parametrize(
    ("claims", "expected"),
    [
        ({"lifetime": 0}, (400, "AuthenticationFail.OIDCToken.Expired")),
        ({"aud": "urn:sandbox:idaas-federation"}, (400, "AuthenticationFail.OIDCToken.AudienceNotMatch")),
        ({"iss": "https://elsewhere.example"}, (400, "AuthenticationFail.OIDCToken.IssuerNotMatch")),
        ({"sub": "system:serviceaccount:agents:default"}, (403, "NoPermission")),
    ],
)
def test_workload_token_with_a_wrong_claim_gets_no_credentials(sandbox, assume, claims, expected) -> None:
    response = assume(OIDCToken=sandbox.cloud.federation.id_token("sts.aliyuncs.com", **claims))
    assert (response.status_code, response.json()["Code"]) == expected
    assert sandbox.cloud.events.snapshot()[-1].error == expected[1]
