"""The echo service of `sandbox.toml`: what it refuses, and that it shows what it received but no secret."""

import httpx
import pytest

from sandbox.configuration.configuration import parse_configuration

CONFIGURATION = """
[services.payroll]
permissions = ["payroll.read", "payroll.write"]
[services.private]
permissions = ["private.read"]
person = true
[credentials.shop_key]
[services.shop]
api_key = "shop_key"
placement = "header:X-API-Key"
[services.shop-bearer]
api_key = "shop_key"
[services.shop-query]
api_key = "shop_key"
placement = "query:key"
"""
PAYROLL = "https://payroll.sandbox.example"


@pytest.fixture
def configured(sandbox):
    sandbox.cloud.configure(parse_configuration(CONFIGURATION))
    yield sandbox
    sandbox.cloud.configure(parse_configuration(""))


@pytest.fixture
async def http(configured):
    base = configured.url("/echo", "function_compute")
    async with httpx.AsyncClient(verify=configured.ssl_context, base_url=base) as client:
        yield client


@pytest.fixture
def key(configured):
    return configured.cloud.vault.find("shop_key").api_key


def bearer(token):
    return {"Authorization": f"Bearer {token}"}


async def test_token_is_checked_and_its_claims_are_shown(configured, http):
    token = configured.access_token("bob", audience=PAYROLL, permissions=("payroll.write",))
    content = {"a": [1, token]}
    response = await http.post("/payroll/slips/7?month=2026-10", json=content, headers=bearer(token))
    body = response.json()
    assert (body["method"], body["path"]) == ("POST", "/echo/payroll/slips/7")
    assert body["query"] == {"month": ["2026-10"]}
    assert {"authorization", "content-type"} <= set(body["headers"])
    assert body["credential"]["claims"]["sub"] == "user_bob01"
    assert body["credential"]["access_identity"] == "Human"
    assert body["body"]["a"][0] == 1
    assert token not in response.text
    assert token.split(".")[2] not in response.text


async def test_token_that_does_not_verify_is_refused_and_an_expired_one_is_counted(configured, http):
    expired = configured.access_token("bob", audience=PAYROLL, permissions=("payroll.read",), exp=1)
    for token in ("nonsense", "ey.ey.ey", expired):
        response = await http.get("/payroll", headers=bearer(token))
        assert (response.status_code, response.json()["error"]) == (401, "invalid_token")
        assert response.headers["www-authenticate"] == "Bearer"
    assert configured.cloud.counters.snapshot()["function_compute:expired_credential"] == 1


@pytest.mark.parametrize(
    ("service", "headers", "query"),
    [
        ("shop", {"X-API-Key": "{}"}, {}),
        ("shop-bearer", {"Authorization": "Bearer {}"}, {}),
        ("shop-query", {}, {"key": "{}"}),
    ],
)
async def test_api_key_is_taken_at_its_place_and_masked(http, key, service, headers, query):
    sent = {name: value.format(key) for name, value in headers.items()}
    given = {name: value.format(key) for name, value in query.items()}
    response = await http.post(f"/{service}", headers=sent, params=given, content=f"key {key}")
    body = response.json()
    assert body["credential"]["identifier"] == "shop_key"
    assert body["credential"]["mask"] == f"{key[:3]}…{key[-4:]} (35 characters)"
    assert key[3:-4] not in response.text


async def test_rotated_key_is_refused_and_counted_as_revoked(configured, http, key):
    configured.cloud.vault.rotate("shop_key", now=0)
    response = await http.get("/shop", headers={"X-API-Key": key})
    assert (response.status_code, response.json()["error"]) == (401, "invalid_api_key")
    assert key not in response.text
    assert configured.cloud.counters.snapshot()["function_compute:revoked_credential"] == 1
