"""The enterprise and the leave service behind their trigger, over the wire: callers, refusals and faults."""

import httpx
import pytest

from sandbox.state.directory import AGENT, ENTERPRISE_AUDIENCE, LEAVE_AUDIENCE

ENTERPRISE = {"audience": ENTERPRISE_AUDIENCE, "permissions": ("service.invoke",)}
LEAVE = {"audience": LEAVE_AUDIENCE, "permissions": ("leave.read",)}


@pytest.fixture
async def http(sandbox):
    base = sandbox.url("", "function_compute")
    async with httpx.AsyncClient(verify=sandbox.ssl_context, base_url=base) as client:
        yield client


def bearer(token):
    return {"Authorization": f"Bearer {token}"}


@pytest.mark.parametrize(
    ("path", "claims", "status", "error"),
    [
        ("/enterprise", ENTERPRISE | {"audience": LEAVE_AUDIENCE}, 403, "invalid_audience"),
        ("/enterprise", ENTERPRISE | {"aud": None}, 403, "invalid_audience"),
        ("/enterprise", ENTERPRISE | {"aud": [ENTERPRISE_AUDIENCE + "/x"]}, 403, "invalid_audience"),
        ("/enterprise", ENTERPRISE | {"scope": None}, 403, "insufficient_scope"),
        ("/enterprise", ENTERPRISE | {"scope": "service.invoke.all"}, 403, "insufficient_scope"),
        ("/leave", ENTERPRISE, 403, "invalid_audience"),
        ("/leave", LEAVE | {"sub": AGENT}, 403, "person_required"),
        ("/leave", LEAVE | {"sub": "user_carol01"}, 404, "unknown_employee"),
    ],
)
async def test_token_of_another_purpose_passes_the_trigger_and_not_the_function(
    sandbox, http, path, claims, status, error
):
    answer = await http.get(path, headers=bearer(sandbox.access_token("alice", **claims)))
    assert (answer.status_code, answer.json()["error"]) == (status, error)


@pytest.mark.parametrize("path", ["/enterprise", "/leave"])
async def test_call_without_a_valid_token_never_reaches_the_function(sandbox, http, path):
    expired = sandbox.access_token("alice", **ENTERPRISE, lifetime=60)
    sandbox.clock.advance(60)
    assert (await http.get(path)).json()["Code"] == "JWTTokenIsMissing"
    assert (await http.get(path, headers=bearer(expired))).json()["Code"] == "JWTTokenIsInvalid"
    assert sandbox.cloud.counters.snapshot() == {
        "function_compute:jwt_rejected": 2,
        "function_compute:expired_credential": 1,
    }
