"""The token endpoint: scopes and permissions that are refused, malformed requests, counters and events."""

import pytest

from sandbox.state.directory import AGENT, ENTERPRISE_AUDIENCE, LEAVE_AUDIENCE, PAM_AUDIENCE

ENTERPRISE = f"{ENTERPRISE_AUDIENCE}|service.invoke"
LEAVE = f"{LEAVE_AUDIENCE}|leave.read"


def test_a_client_may_use_its_own_grant_types_only(machine, refusal) -> None:
    assert refusal(machine(grant_type="password")) == (400, "unsupported_grant_type")
    response = machine(client_id="app_client01", client_secret=None)
    assert refusal(response) == (400, "unauthorized_client")


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


def test_machine_user_and_agent_each_need_the_permission(sandbox, machine, exchange, refusal) -> None:
    bobs = sandbox.access_token("bob")
    for scope in (LEAVE, f"{LEAVE_AUDIENCE}|.all"):
        assert refusal(machine(scope=scope)) == (400, "invalid_scope")
        assert refusal(exchange(scope=scope, subject_token=bobs)) == (400, "invalid_scope")
    sandbox.cloud.directory.delegated.discard((AGENT, ENTERPRISE_AUDIENCE, "service.invoke"))
    assert refusal(exchange()) == (400, "invalid_scope")


def test_every_decision_is_an_event_without_secrets(sandbox, exchange, caplog) -> None:
    subject = sandbox.access_token()
    with caplog.at_level("INFO", logger="sandbox.events"):
        issued = exchange(subject_token=subject).json()["access_token"]
        refused = exchange(scope=LEAVE, subject_token=sandbox.access_token("bob"))
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
