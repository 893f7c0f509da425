"""The token endpoint: client credentials, scopes, permissions, malformed requests, counters and events."""

import pytest

from sandbox.state.directory import AGENT, ENTERPRISE_AUDIENCE, LEAVE_AUDIENCE, PAM_AUDIENCE

ENTERPRISE = f"{ENTERPRISE_AUDIENCE}|service.invoke"


def test_a_machine_token_stands_for_the_client_and_names_bare_permissions(
    sandbox, machine, claims_of
) -> None:
    response = machine()
    now = int(sandbox.clock.now)
    body = response.json()
    del body["access_token"]
    assert response.status_code == 200
    assert body == {"token_type": "Bearer", "expires_in": 1200, "expires_at": now + 1200}
    claims = claims_of(response)
    assert claims.pop("jti")
    assert claims == {
        "iss": sandbox.issuer,
        "sub": AGENT,
        "aud": ENTERPRISE_AUDIENCE,
        "scope": "service.invoke",
        "iat": now,
        "exp": now + 1200,
    }


def test_all_is_every_permission_that_was_granted(machine, exchange, claims_of) -> None:
    scope = f"{PAM_AUDIENCE}|.all"
    for response in (machine(scope=scope), exchange(scope=scope)):
        assert "credential:obtain" in claims_of(response)["scope"].split()
        assert ".all" not in claims_of(response)["scope"]


def test_several_permissions_of_one_audience_come_in_one_token(machine, claims_of) -> None:
    scope = f"{PAM_AUDIENCE}|credential:obtain {PAM_AUDIENCE}|authentication_token:obtain"
    assert claims_of(machine(scope=scope))["scope"] == "credential:obtain authentication_token:obtain"


def test_two_tokens_of_the_same_moment_differ(machine) -> None:
    assert machine().json()["access_token"] != machine().json()["access_token"]


@pytest.mark.parametrize("missing", ["grant_type", "scope", "client_id"])
def test_a_missing_parameter_is_an_invalid_request(machine, missing, refusal) -> None:
    assert refusal(machine(**{missing: None})) == (400, "invalid_request")


def test_a_repeated_parameter_is_an_invalid_request(sandbox, client, refusal) -> None:
    body = "grant_type=client_credentials&grant_type=client_credentials"
    headers = {"content-type": "application/x-www-form-urlencoded"}
    response = client.post(sandbox.cloud.addresses.token_endpoint, content=body, headers=headers)
    assert refusal(response) == (400, "invalid_request")


def test_json_is_an_invalid_request(sandbox, client, refusal) -> None:
    response = client.post(sandbox.cloud.addresses.token_endpoint, json={"grant_type": "client_credentials"})
    assert refusal(response) == (400, "invalid_request")


def test_a_huge_body_is_refused(machine, refusal) -> None:
    assert refusal(machine(filler="x" * 70_000)) == (413, "invalid_request")


def test_an_unknown_grant_type_is_refused(machine, refusal) -> None:
    assert refusal(machine(grant_type="password")) == (400, "unsupported_grant_type")


def test_a_client_may_use_its_own_grant_types_only(machine, refusal) -> None:
    response = machine(client_id="app_client01", client_secret=None)
    assert refusal(response) == (400, "unauthorized_client")


def test_get_is_not_allowed(sandbox, client) -> None:
    assert client.get(sandbox.cloud.addresses.token_endpoint).status_code == 405


@pytest.mark.parametrize(
    "scope",
    [
        "service.invoke",
        "a|b|c",
        f"{ENTERPRISE_AUDIENCE}|",
        "https://unknown.example|x",
        f"{ENTERPRISE_AUDIENCE}|service.delete",
        f"{ENTERPRISE} {PAM_AUDIENCE}|.all",
        f"openid {ENTERPRISE}",
    ],
)
def test_a_scope_that_is_malformed_or_unknown_is_refused(machine, exchange, scope, refusal) -> None:
    assert refusal(machine(scope=scope)) == (400, "invalid_scope")
    assert refusal(exchange(scope=scope)) == (400, "invalid_scope")


def test_a_machine_needs_a_client_permission_of_its_own(machine, refusal) -> None:
    for permission in ("leave.read", ".all"):
        assert refusal(machine(scope=f"{LEAVE_AUDIENCE}|{permission}")) == (400, "invalid_scope")


def test_a_user_gains_nothing_through_the_agent(sandbox, exchange, refusal) -> None:
    leave = f"{LEAVE_AUDIENCE}|leave.read"
    assert exchange(scope=leave).status_code == 200
    for scope in (leave, f"{LEAVE_AUDIENCE}|.all"):
        response = exchange(scope=scope, subject_token=sandbox.access_token("bob"))
        assert refusal(response) == (400, "invalid_scope")


def test_the_agent_must_be_authorized_for_the_target_too(sandbox, exchange, refusal) -> None:
    sandbox.cloud.directory.delegated.discard((AGENT, ENTERPRISE_AUDIENCE, "service.invoke"))
    assert refusal(exchange()) == (400, "invalid_scope")


def test_every_decision_is_an_event_without_secrets(sandbox, exchange, caplog) -> None:
    subject = sandbox.access_token()
    with caplog.at_level("INFO", logger="sandbox.events"):
        issued = exchange(subject_token=subject).json()["access_token"]
        refused = exchange(scope=f"{LEAVE_AUDIENCE}|leave.read", subject_token=sandbox.access_token("bob"))
    success, failure = sandbox.cloud.events.snapshot()
    assert (success.event, success.result) == ("token.token_exchange", "success")
    assert (success.client, success.subject, success.audience) == (AGENT, "user_alice01", ENTERPRISE_AUDIENCE)
    assert success.permissions == ("service.invoke",)
    assert success.jti == sandbox.cloud.access_tokens.verify(issued).jti
    assert success.subject_jti == sandbox.cloud.access_tokens.verify(subject).jti
    assert (failure.result, failure.subject, failure.error) == ("failed", "user_bob01", "invalid_scope")
    assert failure.request_id == refused.json()["request_id"]
    for secret in (issued, subject, sandbox.cloud.secrets.agent_client_secret):
        assert secret not in caplog.text
    assert len(caplog.records) == 2
