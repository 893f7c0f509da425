"""ObtainCredential's refusals: function and data authorization, for machines and for users."""

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


def test_a_missing_a_foreign_and_a_malformed_token_are_refused(sandbox, obtain, as_machine, refusal) -> None:
    for token in (None, "nonsense", sandbox.access_token(), as_machine(f"{ENTERPRISE_AUDIENCE}|.all")):
        response = obtain(token)
        assert refusal(response) == (401, "invalid_token")
        assert response.headers["www-authenticate"].startswith("Bearer")


def test_an_expired_token_and_one_from_before_a_restart_are_refused(
    sandbox, obtain, as_machine, refusal
) -> None:
    forgotten = as_machine()
    sandbox.cloud.access_tokens.reset()
    assert refusal(obtain(forgotten)) == (401, "invalid_token")
    expired = as_machine()
    sandbox.clock.advance(1200)
    assert refusal(obtain(expired)) == (401, "invalid_token")
    assert sandbox.cloud.counters.snapshot()["developer_api:expired_credential"] == 1


def test_client_and_user_both_need_data_authorization(sandbox, obtain, as_machine, as_user, refusal) -> None:
    sandbox.cloud.vault.find("llm_api_key").readers.discard("user_bob01")
    assert refusal(obtain(as_user("bob"))) == (403, "access_denied")
    assert obtain(as_user("alice")).status_code == obtain(as_machine()).status_code == 200
    sandbox.cloud.vault.find("llm_api_key").readers.discard(AGENT)
    for token in (as_machine(), as_user()):
        assert refusal(obtain(token)) == (403, "access_denied")
        assert obtain(token, "amap_api_key").status_code == 200
