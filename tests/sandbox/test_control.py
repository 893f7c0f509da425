"""The control endpoint: what it shows and changes, and which callers are admitted."""

import base64
import json

import httpx
import pytest

from sandbox.control import application
from sandbox.faults.faults import Fault
from sandbox.idaas.account_synchronization import AccountSynchronization
from sandbox.state.directory import AGENT, ENTERPRISE_AUDIENCE


@pytest.fixture
def control(sandbox):
    with httpx.Client(base_url=sandbox.url("/__sandbox__", "idaas_plain")) as control:
        yield control


def test_user_token_is_issued(sandbox, control) -> None:
    response = control.post("/access-tokens", json={"user": "bob"})
    assert response.headers["cache-control"] == "no-store"
    token = sandbox.cloud.access_tokens.verify(response.json()["access_token"])
    assert (token.subject, token.permissions) == ("user_bob01", ("agent.access",))
    body = {"audience": "https://x.example", "permissions": ["a", "b"], "lifetime": 60}
    token = sandbox.cloud.access_tokens.verify(
        control.post("/access-tokens", json=body).json()["access_token"]
    )
    assert (token.subject, token.audience, token.permissions) == (
        "user_alice01",
        "https://x.example",
        ("a", "b"),
    )
    assert token.expires_at == sandbox.clock.now + 60


@pytest.mark.parametrize(
    ("body", "status"),
    [
        ({"user": "mallory"}, 404),
        ({"use": "alice"}, 400),
        ({"permissions": "a"}, 400),
        ({"lifetime": "1"}, 400),
    ],
)
def test_a_wrong_request_for_a_token_is_refused(control, body, status) -> None:
    response = control.post("/access-tokens", json=body)
    assert response.status_code == status
    assert response.json()["error"]


def test_counters_can_be_read_and_reset(sandbox, control, client) -> None:
    client.get(sandbox.cloud.addresses.jwks)
    client.get(sandbox.cloud.addresses.discovery)
    assert control.get("/counters").json() == {"idaas:jwks": 1, "idaas:discovery": 1}
    assert control.delete("/counters").json() == {}
    assert sandbox.cloud.counters.snapshot() == {}


def test_events_can_be_read(control, machine) -> None:
    machine()
    (event,) = control.get("/events").json()
    assert (event["event"], event["result"], event["client"]) == (
        "token.client_credentials",
        "success",
        AGENT,
    )


def test_faults_can_be_set_and_cleared(sandbox, control) -> None:
    control.put("/faults/amap", json={"status": 503, "times": 2})
    control.put("/faults/developer_api", json={"latency": 1.5})
    assert sandbox.cloud.faults.snapshot() == {
        "amap": Fault(status=503, times=2),
        "developer_api": Fault(latency=1.5),
    }
    assert set(control.delete("/faults/amap").json()) == {"developer_api"}
    assert control.delete("/faults").json() == {}


@pytest.mark.parametrize(
    ("service", "body", "status"),
    [
        ("nonsense", {}, 404),
        ("amap", {"stats": 500}, 400),
        ("amap", {"status": "bad"}, 400),
        ("amap", [], 400),
    ],
)
def test_a_wrong_fault_is_refused(sandbox, control, service, body, status) -> None:
    response = control.put(f"/faults/{service}", json=body)
    assert response.status_code == status
    assert sandbox.cloud.faults.snapshot() == {}


def test_settings_can_be_changed_one_by_one(sandbox, control) -> None:
    changed = control.patch("/settings", json={"access_token_lifetime": 60, "audience_as_array": True}).json()
    assert (changed["access_token_lifetime"], changed["id_token_lifetime"]) == (60, 300)
    assert sandbox.cloud.settings.audience_as_array is True
    assert control.get("/settings").json() == changed
    assert control.patch("/settings", json={"access_token_lifetime": "long"}).status_code == 400
    assert control.patch("/settings", json={"access_token_life": 1}).status_code == 400


def test_keys_rotate_with_overlap_by_default(sandbox, control) -> None:
    assert len(control.post("/keys/rotate").json()["keys"]) == 2
    assert len(control.post("/keys/rotate", json={"overlap": False}).json()["keys"]) == 1
    assert sandbox.cloud.function_compute_jwks != sandbox.cloud.jwks()
    assert control.post("/function-compute/jwks").json() == sandbox.cloud.jwks()


def test_an_api_key_can_be_rotated_and_disabled_without_being_shown(sandbox, control) -> None:
    old = sandbox.cloud.secrets.llm_api_key
    assert control.post("/credentials/llm_api_key/rotate").json() == {"identifier": "llm_api_key"}
    assert not sandbox.cloud.vault.accepts(old, "llm_api_key")
    control.post("/credentials/llm_api_key/rotate", json={"api_key": "sk-mine"})
    assert sandbox.cloud.vault.accepts("sk-mine", "llm_api_key")
    control.post("/credentials/llm_api_key/disable")
    assert not sandbox.cloud.vault.accepts("sk-mine", "llm_api_key")
    assert control.post("/credentials/nonsense/rotate").status_code == 404


def test_data_authorization_can_be_revoked(sandbox, control) -> None:
    response = control.post("/credentials/llm_api_key/revoke", json={"holder": "user_bob01"})
    assert response.json()["readers"] == [AGENT, "user_alice01"]
    again = control.post("/credentials/llm_api_key/revoke", json={"holder": "user_bob01"})
    assert again.status_code == 404


def test_a_permission_can_be_revoked(sandbox, control, machine, exchange, refusal) -> None:
    grant = {"holder": AGENT, "audience": ENTERPRISE_AUDIENCE, "permission": "service.invoke"}
    assert control.post("/permissions/revoke", json=grant).status_code == 200
    assert refusal(machine()) == refusal(exchange()) == (400, "invalid_scope")
    assert control.post("/permissions/revoke", json=grant).status_code == 404


def test_everything_can_be_reset_and_a_service_restarted(sandbox, control) -> None:
    sandbox.cloud.settings.access_token_lifetime = 5
    assert control.post("/restart/amap").status_code == 200
    assert control.post("/restart/nonsense").status_code == 404
    assert control.post("/reset").status_code == 200
    assert sandbox.cloud.settings.access_token_lifetime == 1200


# Who may use it


def test_it_is_on_the_plain_port_only(sandbox, client) -> None:
    for listener in ("idaas", "model_studio", "function_compute"):
        assert client.get(sandbox.url("/__sandbox__/counters", listener)).status_code in (403, 404)


@pytest.mark.parametrize(
    "headers",
    [
        {"Host": "evil.example:9400"},
        {"Origin": "https://evil.example"},
        {"Origin": "http://localhost:9001"},
        {"Sec-Fetch-Site": "cross-site"},
        {"Sec-Fetch-Site": "same-site"},
        {"Content-Type": "text/plain"},
        {"Content-Type": "application/x-www-form-urlencoded"},
    ],
)
def test_no_web_page_gets_a_token(control, headers) -> None:
    response = control.post("/access-tokens", content=b'{"user": "alice"}', headers=headers)
    assert response.status_code == 403
    assert "access_token" not in response.text


@pytest.mark.parametrize(
    ("address", "status"),
    [
        *((other, 403) for other in ("192.168.1.7", "10.0.0.1", "2001:db8::1", "nonsense")),
        *((this, 200) for this in ("127.0.0.1", "::1")),
    ],
)
async def test_only_this_machine_is_admitted(sandbox, address, status) -> None:
    transport = httpx.ASGITransport(
        application(sandbox.cloud, AccountSynchronization(sandbox.cloud)), client=(address, 4711)
    )
    async with httpx.AsyncClient(transport=transport, base_url="http://localhost:9400") as client:
        assert (await client.get("/__sandbox__/counters")).status_code == status


def test_policy_of_the_execution_role_is_replaced_and_comes_back(control, sandbox) -> None:
    before = control.get("/execution-role/policy").json()
    assert before["Statement"][0]["Action"] == ["eiam:GenerateOauthToken"]
    denying = {"Version": "1", "Statement": [{"Effect": "Deny", "Action": "*", "Resource": "*"}]}
    assert control.put("/execution-role/policy", json=denying).status_code == 200
    assert sandbox.cloud.execution_role.policy.decide("eiam:GenerateOauthToken", "x") == "ExplicitDeny"
    control.post("/reset", json={})
    assert control.get("/execution-role/policy").json() == before


@pytest.mark.parametrize(
    "statement", [{}, {"Effect": "Maybe", "Action": "*", "Resource": "*"}, {"Condition": {}}]
)
def test_policy_that_cannot_be_understood_is_refused(control, statement) -> None:
    response = control.put("/execution-role/policy", json={"Version": "1", "Statement": [statement]})
    assert response.status_code == 400


def test_credentials_of_the_execution_role_are_expired(control, sandbox) -> None:
    credential = sandbox.cloud.execution_role.issue(3600)
    control.post("/execution-role/expire", json={})
    assert sandbox.cloud.execution_role.expired(credential)
    assert not sandbox.cloud.execution_role.expired(sandbox.cloud.execution_role.issue(3600))


def test_workload_tokens_are_replaced_by_faulty_ones_and_by_good_ones(control, sandbox) -> None:
    def claims() -> dict:
        payload = (sandbox.running.folder / "workload-token").read_text().split(".")[1]
        return json.loads(base64.urlsafe_b64decode(payload + "=="))

    control.post("/workload-tokens", json={"aud": "other", "lifetime": 0})
    assert claims()["aud"] == "other"
    assert claims()["exp"] == claims()["iat"]
    control.post("/workload-tokens", json={})
    assert claims()["aud"] == ["urn:sandbox:idaas-federation"]
    assert control.post("/workload-tokens", json={"lifetime": "long"}).status_code == 400


def test_tokens_of_a_consumer_are_withdrawn_at_the_calendar_and_kept_by_idaas(sandbox, control) -> None:
    providers = sandbox.cloud.oauth_providers
    provider = providers.find("calendar_rooms")
    token = providers.issue(provider, "app_agent01", "rooms.read")
    assert control.post("/oauth-tokens/user_bob01/withdraw").status_code == 404
    withdrawn = control.post("/oauth-tokens/app_agent01/withdraw").json()
    assert withdrawn == {"consumer": "app_agent01", "withdrawn": 1}
    assert providers.by_value(token.value) is None
    assert providers.stored(provider, "app_agent01", "rooms.read") == token
