"""The enterprise and the leave service behind their trigger, over the wire."""

import httpx
import pytest

from sandbox.configuration.configuration import parse_configuration
from sandbox.faults.faults import Fault
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


async def test_enterprise_service_names_the_person_whose_token_it_gets(sandbox, http):
    token = sandbox.access_token("alice", **ENTERPRISE)
    answer = await http.post("/enterprise", json={"message": "good morning"}, headers=bearer(token))
    assert answer.status_code == 200
    body = answer.json()
    assert body["caller"] == {
        "access_identity": "Human",
        "subject": "user_alice01",
        "client": None,
        "actor": None,
        "employee": "alice",
    }
    assert "Alice" in body["greeting"]
    assert body["message"] == "good morning"
    assert body["request_id"]
    assert sandbox.cloud.counters.snapshot() == {"function_compute:enterprise": 1}


async def test_enterprise_service_names_the_agent_for_its_own_token(sandbox, http):
    token = sandbox.cloud.machine_token(ENTERPRISE_AUDIENCE, ("service.invoke",))
    body = (await http.get("/enterprise", headers=bearer(token))).json()
    assert body["caller"] == {
        "access_identity": "Machine",
        "subject": AGENT,
        "client": AGENT,
        "actor": None,
        "employee": None,
    }


@pytest.mark.parametrize(
    ("claims", "member", "value"),
    [
        ({"sub": f"{AGENT}:urn:x:1"}, "access_identity", "Machine"),
        ({"client_id": AGENT}, "client", AGENT),
        ({"azp": AGENT}, "client", AGENT),
        ({"act": {"sub": AGENT}}, "actor", AGENT),
        ({"sub": "user_carol01"}, "employee", None),
        ({"aud": ["other", ENTERPRISE_AUDIENCE]}, "access_identity", "Human"),
        ({"scope": "a service.invoke b"}, "access_identity", "Human"),
    ],
)
async def test_the_caller_is_read_from_the_claims_of_the_token(sandbox, http, claims, member, value):
    token = sandbox.access_token("alice", **ENTERPRISE, **claims)
    answer = await http.get("/enterprise", headers=bearer(token))
    assert answer.json()["caller"][member] == value


@pytest.mark.parametrize(
    ("claims", "error"),
    [
        ({"audience": LEAVE_AUDIENCE}, "invalid_audience"),
        ({"aud": None}, "invalid_audience"),
        ({"aud": [ENTERPRISE_AUDIENCE + "/x"]}, "invalid_audience"),
        ({"permissions": ("leave.read",)}, "insufficient_scope"),
        ({"scope": None}, "insufficient_scope"),
        ({"scope": "service.invoke.all"}, "insufficient_scope"),
    ],
)
async def test_token_of_another_purpose_passes_the_trigger_and_not_the_function(sandbox, http, claims, error):
    token = sandbox.access_token("alice", **(ENTERPRISE | claims))
    answer = await http.get("/enterprise", headers=bearer(token))
    assert (answer.status_code, answer.json()["error"]) == (403, error)
    assert sandbox.cloud.counters.snapshot() == {"function_compute:enterprise": 1}


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


async def test_tokens_after_a_key_rotation_are_refused_until_the_jwks_is_pasted_again(sandbox, http):
    sandbox.cloud.keys.rotate(overlap=True)
    headers = bearer(sandbox.access_token("alice", **ENTERPRISE))
    assert (await http.get("/enterprise", headers=headers)).json()["Code"] == "JWTTokenIsInvalid"
    sandbox.cloud.paste_jwks()
    assert (await http.get("/enterprise", headers=headers)).status_code == 200


async def test_prefix_of_the_trigger_can_be_set(sandbox, http):
    sandbox.cloud.settings.function_compute_token_prefix = ""
    token = sandbox.access_token("alice", **ENTERPRISE)
    assert (await http.get("/enterprise", headers={"Authorization": token})).status_code == 200
    assert (await http.get("/enterprise", headers=bearer(token))).status_code == 403


@pytest.mark.parametrize(
    ("content", "status"),
    [
        (b"", 200),
        (b"{}", 200),
        (b'{"message": null}', 200),
        (b"{", 400),
        (b"[]", 400),
        (b'"hello"', 400),
        (b'{"message": 1}', 400),
        (b" " * 1_000_001, 413),
    ],
)
async def test_body_is_validated(sandbox, http, content, status):
    headers = bearer(sandbox.access_token("alice", **ENTERPRISE))
    assert (await http.post("/enterprise", content=content, headers=headers)).status_code == status


async def test_leave_service_returns_the_callers_own_leave(sandbox, http):
    balances = {}
    for user in ("alice", "bob"):
        answer = await http.get("/leave", headers=bearer(sandbox.access_token(user, **LEAVE)))
        body = answer.json()
        assert body["employee"] == user
        assert body["next_leave"]["from"] <= body["next_leave"]["to"]
        balances[user] = body["days_left"]
    assert balances == {"alice": 12, "bob": 7}


async def test_leave_is_read_by_people_with_its_own_scope_alone(sandbox, http):
    for claims, error in ((ENTERPRISE, "invalid_audience"), (LEAVE | {"sub": AGENT}, "person_required")):
        answer = await http.get("/leave", headers=bearer(sandbox.access_token("alice", **claims)))
        assert (answer.status_code, answer.json()["error"]) == (403, error)


async def test_leave_service_refuses_unknown_users(sandbox, http):
    token = sandbox.access_token("alice", **LEAVE, sub="user_carol01")
    assert (await http.get("/leave", headers=bearer(token))).status_code == 404


async def test_other_methods_are_not_served(sandbox, http):
    headers = bearer(sandbox.access_token("alice", **LEAVE))
    assert (await http.post("/leave", headers=headers)).status_code == 405
    assert (await http.delete("/enterprise", headers=headers)).status_code == 405


async def test_injected_status_answers_before_the_trigger(sandbox, http):
    sandbox.cloud.faults.set("function_compute", Fault(status=500, times=1))
    assert (await http.get("/enterprise")).status_code == 500
    assert "function_compute:enterprise" not in sandbox.cloud.counters.snapshot()
    assert (await http.get("/enterprise")).status_code == 403


async def test_redirect_has_another_target(sandbox, http):
    sandbox.cloud.faults.set("function_compute", Fault(redirect="https://elsewhere.example/"))
    answer = await http.get("/enterprise")
    assert (answer.status_code, answer.headers["location"]) == (307, "https://elsewhere.example/")


async def test_flood_is_as_large_as_asked_for_and_still_json(sandbox, http):
    sandbox.cloud.faults.set("function_compute", Fault(flood=300_000))
    answer = await http.get("/enterprise", headers=bearer(sandbox.access_token("alice", **ENTERPRISE)))
    assert len(answer.content) > 300_000
    assert answer.json()["caller"]["employee"] == "alice"


async def test_body_that_drips_outlasts_a_deadline_but_not_each_read(sandbox, http):
    sandbox.cloud.faults.set("function_compute", Fault(drip=0.005))
    answer = await http.get("/healthz", timeout=1)
    assert answer.json() == {"status": "ok"}
    assert answer.elapsed.total_seconds() >= 0.005 * len(answer.content)


async def test_user_of_sandbox_toml_is_an_employee_too(sandbox, http):
    sandbox.cloud.configure(parse_configuration('[users.carol]\ndisplay_name = "Carol"'))
    leave = await http.get("/leave", headers=bearer(sandbox.access_token("carol", **LEAVE)))
    enterprise = await http.get("/enterprise", headers=bearer(sandbox.access_token("carol", **ENTERPRISE)))
    sandbox.cloud.configure(parse_configuration(""))
    assert (leave.status_code, leave.json()["employee"]) == (200, "carol")
    assert "Carol" in enterprise.json()["greeting"]
