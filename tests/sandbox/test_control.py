"""The control endpoint: what it shows and changes, and which callers are admitted."""

import httpx
import pytest
from joserfc import jwt

from sandbox.control import application
from sandbox.idaas.account_synchronization import AccountSynchronization
from sandbox.state.directory import AGENT


@pytest.fixture
def control(sandbox):
    with httpx.Client(base_url=sandbox.url("/__sandbox__", "idaas_plain")) as control:
        yield control


@pytest.mark.parametrize("user", ["bob", "user_bob01"])
def test_user_token_is_issued(sandbox, control, user) -> None:
    response = control.post("/access-tokens", json={"user": user})
    assert response.headers["cache-control"] == "no-store"
    token = sandbox.cloud.access_tokens.verify(response.json()["access_token"])
    assert (token.subject, token.permissions) == ("user_bob01", ("agent.access",))
    body = {"audience": "https://x.example", "permissions": ["a", "b"], "lifetime": 60}
    response = control.post("/access-tokens", json=body)
    token = sandbox.cloud.access_tokens.verify(response.json()["access_token"])
    assert (token.subject, token.audience) == ("user_alice01", "https://x.example")
    assert (token.permissions, token.expires_at) == (("a", "b"), sandbox.clock.now + 60)


def test_token_has_the_claims_and_the_sign_in_of_its_user_and_one_of_an_application_has_neither(
    sandbox, control, company
) -> None:
    def claims(**body):
        token = control.post("/access-tokens", json=body).json()["access_token"]
        return jwt.decode(token, sandbox.cloud.keys.published, algorithms=["RS256"]).claims

    carol = claims(user="carol")
    assert (carol["groups"], carol["auth_time"]) == (["managers"], int(sandbox.clock.now))
    assert claims(user="carol", auth_time=1000)["auth_time"] == 1000
    job = claims(client="payroll")
    assert (job["sub"], job["scope"]) == ("app_payroll01", "agent.access agent.prepare")
    assert "groups" not in job
    assert "auth_time" not in job
    assert claims(client="app_payroll01", permissions=["agent.prepare"])["scope"] == "agent.prepare"


@pytest.mark.parametrize(
    ("method", "path", "body", "status"),
    [
        ("POST", "/access-tokens", {"client": "page"}, 404),
        ("POST", "/access-tokens", {"client": "agent", "user": "alice"}, 400),
        ("POST", "/access-tokens", {"auth_time": "now"}, 400),
        ("POST", "/access-tokens", {"user": "mallory"}, 404),
        ("POST", "/access-tokens", {"use": "alice"}, 400),
        ("POST", "/access-tokens", {"permissions": "a"}, 400),
        ("POST", "/access-tokens", {"lifetime": "1"}, 400),
        ("PUT", "/faults/nonsense", {}, 404),
        ("PUT", "/faults/amap", {"stats": 500}, 400),
        ("PUT", "/faults/amap", {"status": "bad"}, 400),
        ("PUT", "/faults/amap", [], 400),
        ("PATCH", "/settings", {"access_token_lifetime": "long"}, 400),
        ("PATCH", "/settings", {"access_token_life": 1}, 400),
        ("POST", "/credentials/nonsense/rotate", {}, 404),
        ("POST", "/credentials/llm_api_key/revoke", {"holder": "user_carol01"}, 404),
        ("POST", "/permissions/revoke", {"holder": AGENT}, 404),
        ("POST", "/restart/nonsense", {}, 404),
        ("POST", "/oauth-tokens/user_bob01/withdraw", {}, 404),
        ("POST", "/workload-tokens", {"lifetime": "long"}, 400),
        ("PUT", "/execution-role/policy", {"Version": "1", "Statement": [{}]}, 400),
        ("PUT", "/execution-role/policy", {"Version": "1", "Statement": [{"Condition": {}}]}, 400),
    ],
)
def test_a_wrong_request_is_refused_and_changes_nothing(sandbox, control, method, path, body, status) -> None:
    settings = control.get("/settings").json()
    response = control.request(method, path, json=body)
    assert response.status_code == status
    assert response.json()["error"]
    assert sandbox.cloud.faults.snapshot() == {}
    assert control.get("/settings").json() == settings


def test_an_api_key_can_be_rotated_disabled_and_revoked_without_being_shown(sandbox, control) -> None:
    vault, old = sandbox.cloud.vault, sandbox.cloud.secrets.llm_api_key
    assert control.post("/credentials/llm_api_key/rotate").json() == {"identifier": "llm_api_key"}
    assert not vault.accepts(old, "llm_api_key")
    control.post("/credentials/llm_api_key/rotate", json={"api_key": "sk-mine"})
    assert vault.accepts("sk-mine", "llm_api_key")
    control.post("/credentials/llm_api_key/disable")
    assert not vault.accepts("sk-mine", "llm_api_key")
    revoked = control.post("/credentials/llm_api_key/revoke", json={"holder": "user_bob01"}).json()
    assert revoked["readers"] == [AGENT, "user_alice01"]


def test_policy_and_credentials_of_the_execution_role_are_replaced_and_come_back(control, sandbox) -> None:
    role = sandbox.cloud.execution_role
    before = control.get("/execution-role/policy").json()
    denying = {"Version": "1", "Statement": [{"Effect": "Deny", "Action": "*", "Resource": "*"}]}
    assert control.put("/execution-role/policy", json=denying).status_code == 200
    assert role.policy.decide("eiam:GenerateOauthToken", "x") == "ExplicitDeny"
    credential = role.issue(3600)
    control.post("/execution-role/expire", json={})
    assert role.expired(credential)
    assert not role.expired(role.issue(3600))
    control.post("/reset", json={})
    assert control.get("/execution-role/policy").json() == before


def test_tokens_of_a_consumer_are_withdrawn_at_the_calendar_and_kept_by_idaas(sandbox, control) -> None:
    providers = sandbox.cloud.oauth_providers
    provider = providers.find("calendar_rooms")
    token = providers.issue(provider, "app_agent01", "rooms.read")
    withdrawn = control.post("/oauth-tokens/app_agent01/withdraw").json()
    assert withdrawn == {"consumer": "app_agent01", "withdrawn": 1}
    assert providers.by_value(token.value) is None
    assert providers.stored(provider, "app_agent01", "rooms.read") == token


@pytest.mark.parametrize(
    "headers",
    [
        {"Host": "evil.example:9400"},
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
    [("192.168.1.7", 403), ("2001:db8::1", 403), ("nonsense", 403), ("127.0.0.1", 200), ("::1", 200)],
)
async def test_only_this_machine_is_admitted(sandbox, address, status) -> None:
    transport = httpx.ASGITransport(
        application(sandbox.cloud, AccountSynchronization(sandbox.cloud)), client=(address, 4711)
    )
    async with httpx.AsyncClient(transport=transport, base_url="http://localhost:9400") as client:
        assert (await client.get("/__sandbox__/counters")).status_code == status


def test_it_is_on_the_plain_port_only(sandbox, client) -> None:
    for listener in ("idaas", "model_studio", "function_compute"):
        assert client.get(sandbox.url("/__sandbox__/counters", listener)).status_code in (403, 404)
