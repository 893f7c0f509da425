"""ObtainCredential: function and data authorization, for machines and for users."""

import pytest

from sandbox.state.directory import AGENT, ENTERPRISE_AUDIENCE, PAM_AUDIENCE

PAM = f"{PAM_AUDIENCE}|.all"


@pytest.fixture
def obtain(sandbox, client):
    """Asks for a credential with a token; `path` may be overridden."""

    def ask(token, identifier="llm_api_key", *, address=None):
        address = address or sandbox.cloud.addresses.obtain_credential
        headers = {} if token is None else {"Authorization": f"Bearer {token}"}
        query = {} if identifier is None else {"credentialIdentifier": identifier}
        return client.get(address, params=query, headers=headers)

    return ask


@pytest.fixture
def as_machine(machine):
    return lambda scope=PAM: machine(scope=scope).json()["access_token"]


@pytest.fixture
def as_user(sandbox, exchange):
    def token(user="alice"):
        return exchange(scope=PAM, subject_token=sandbox.access_token(user)).json()["access_token"]

    return token


def test_a_machine_reads_a_credential(sandbox, obtain, as_machine) -> None:
    response = obtain(as_machine())
    milliseconds = int(sandbox.clock.now * 1000)
    assert response.status_code == 200
    assert response.headers["cache-control"] == "no-store"
    assert response.json() == {
        "instanceId": "idaas_sandbox01",
        "credentialId": "cred_llm_api_key",
        "credentialIdentifier": "llm_api_key",
        "credentialName": "llm_api_key",
        "credentialType": "api_key",
        "credentialScenarioLabel": "llm",
        "credentialCreationType": "user_custom",
        "status": "enabled",
        "createTime": milliseconds,
        "updateTime": milliseconds,
        "credentialContent": {"apiKeyContent": {"apiKey": sandbox.cloud.secrets.llm_api_key}},
    }


def test_one_permission_is_sufficient(obtain, as_machine) -> None:
    assert obtain(as_machine(f"{PAM_AUDIENCE}|credential:obtain")).status_code == 200


def test_another_permission_of_the_audience_is_not_sufficient(obtain, as_machine, refusal) -> None:
    response = obtain(as_machine(f"{PAM_AUDIENCE}|authentication_token:obtain"))
    assert refusal(response) == (403, "insufficient_scope")


def test_a_missing_a_foreign_and_a_malformed_token_are_refused(sandbox, obtain, as_machine, refusal) -> None:
    for token in (None, "nonsense", sandbox.access_token(), as_machine(f"{ENTERPRISE_AUDIENCE}|.all")):
        response = obtain(token)
        assert refusal(response) == (401, "invalid_token")
        assert response.headers["www-authenticate"].startswith("Bearer")


def test_an_expired_token_is_refused_and_counted(sandbox, obtain, as_machine, refusal) -> None:
    token = as_machine()
    sandbox.clock.advance(1200)
    assert refusal(obtain(token)) == (401, "invalid_token")
    assert sandbox.cloud.counters.snapshot()["developer_api:expired_credential"] == 1


def test_a_token_from_before_a_restart_is_refused(sandbox, obtain, as_machine, refusal) -> None:
    token = as_machine()
    sandbox.cloud.access_tokens.reset()
    assert refusal(obtain(token)) == (401, "invalid_token")


def test_an_unknown_identifier_is_not_found(obtain, as_machine, refusal) -> None:
    assert refusal(obtain(as_machine(), "no_such_key")) == (404, "credential_not_found")


def test_a_missing_identifier_is_an_invalid_request(obtain, as_machine, refusal) -> None:
    assert refusal(obtain(as_machine(), None)) == (400, "invalid_request")


def test_an_unknown_instance_is_not_found(sandbox, obtain, as_machine, refusal) -> None:
    address = sandbox.url("/v2/idaas_other/credentials/_/actions/obtain")
    assert refusal(obtain(as_machine(), address=address)) == (404, "instance_not_found")


def test_an_agent_without_data_authorization_gets_no_key_in_either_identity(
    sandbox, obtain, as_machine, as_user, refusal
) -> None:
    sandbox.cloud.vault.find("llm_api_key").readers.discard(AGENT)
    for token in (as_machine(), as_user()):
        assert refusal(obtain(token)) == (403, "access_denied")
        assert obtain(token, "amap_api_key").status_code == 200


def test_a_user_without_data_authorization_gets_no_key_through_the_agent(
    sandbox, obtain, as_machine, as_user, refusal
) -> None:
    sandbox.cloud.vault.find("llm_api_key").readers.discard("user_bob01")
    assert refusal(obtain(as_user("bob"))) == (403, "access_denied")
    assert obtain(as_user("alice")).status_code == 200
    assert obtain(as_machine()).status_code == 200


def test_a_disabled_credential_or_caller_is_refused(sandbox, obtain, as_user, refusal) -> None:
    token = as_user()
    sandbox.cloud.vault.disable("llm_api_key")
    assert refusal(obtain(token)) == (403, "access_denied")
    sandbox.cloud.directory.disabled.add("user_alice01")
    assert refusal(obtain(token, "amap_api_key")) == (403, "access_denied")


def test_a_rotated_key_is_returned_and_the_old_one_is_no_longer_accepted(sandbox, obtain, as_machine) -> None:
    cloud, token = sandbox.cloud, as_machine()
    old = cloud.secrets.llm_api_key
    assert cloud.vault.accepts(old, "llm_api_key")
    sandbox.clock.advance(5)
    new = cloud.vault.rotate("llm_api_key", now=sandbox.clock.now)
    body = obtain(token).json()
    assert body["credentialContent"]["apiKeyContent"]["apiKey"] == new != old
    assert body["updateTime"] == body["createTime"] + 5000
    assert cloud.vault.accepts(new, "llm_api_key")
    assert not cloud.vault.accepts(old, "llm_api_key")
    assert not cloud.vault.accepts(new, "amap_api_key")
    assert cloud.vault.was_valid(old, "llm_api_key")


def test_requests_are_counted_and_recorded_without_the_key(sandbox, obtain, as_machine, caplog) -> None:
    token = as_machine()
    with caplog.at_level("INFO", logger="sandbox.events"):
        obtain(token)
        obtain(None)
    assert sandbox.cloud.counters.snapshot()["developer_api:ObtainCredential"] == 2
    assert len(caplog.records) == 2
    assert sandbox.cloud.secrets.llm_api_key not in caplog.text
    assert token not in caplog.text
