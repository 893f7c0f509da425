"""Token exchange: which subject tokens are refused, and the limit of repeated exchanges."""

import pytest
from joserfc import jwk, jwt

from sandbox.state.directory import AGENT, AGENT_AUDIENCE, ENTERPRISE_AUDIENCE, LEAVE_AUDIENCE

ACCESS_TOKEN = "urn:ietf:params:oauth:token-type:access_token"


def test_lifetime_audience_form_and_actor_can_be_set(sandbox, exchange, claims_of) -> None:
    sandbox.cloud.settings.access_token_lifetime = 60
    sandbox.cloud.settings.audience_as_array = True
    sandbox.cloud.settings.actor_claim = True
    response = exchange()
    assert response.json()["expires_in"] == 60
    assert claims_of(response)["aud"] == [ENTERPRISE_AUDIENCE]
    assert claims_of(response)["act"] == {"sub": AGENT}


@pytest.mark.parametrize(
    "form",
    [
        {"subject_token": None},
        {"subject_token_type": None},
        {"subject_token_type": "urn:ietf:params:oauth:token-type:id_token"},
        {"requested_token_type": "urn:ietf:params:oauth:token-type:refresh_token"},
        {"audience": LEAVE_AUDIENCE},
        {"actor_token": "x", "actor_token_type": ACCESS_TOKEN},
    ],
)
def test_a_malformed_exchange_is_an_invalid_request(exchange, form, refusal) -> None:
    assert refusal(exchange(**form)) == (400, "invalid_request")


def test_a_subject_token_that_is_not_good_for_the_agent_is_refused(sandbox, exchange, refusal) -> None:
    foreign_key = jwk.RSAKey.generate_key(2048, {"kid": sandbox.cloud.keys.current.kid})
    claims = {
        "iss": sandbox.issuer,
        "sub": "user_alice01",
        "aud": AGENT_AUDIENCE,
        "exp": sandbox.clock.now + 60,
    }
    for subject in (
        jwt.encode({"alg": "RS256", "kid": foreign_key.kid}, claims, foreign_key),
        "nonsense",
        sandbox.access_token(iss="https://elsewhere.example"),
        sandbox.access_token(exp=None),
        sandbox.cloud.machine_token(AGENT_AUDIENCE, ("agent.access",)),
    ):
        assert refusal(exchange(subject_token=subject)) == (400, "invalid_grant")
    assert "idaas:expired_credential" not in sandbox.cloud.counters.snapshot()
    expired = sandbox.access_token(lifetime=60)
    sandbox.clock.advance(60)
    assert refusal(exchange(subject_token=expired)) == (400, "invalid_grant")
    assert sandbox.cloud.counters.snapshot()["idaas:expired_credential"] == 1


def test_only_a_token_that_was_addressed_to_the_caller_is_exchanged(sandbox, exchange, refusal) -> None:
    elsewhere = sandbox.access_token(audience=ENTERPRISE_AUDIENCE, permissions=("service.invoke",))
    assert refusal(exchange(subject_token=elsewhere)) == (400, "invalid_grant")
    sandbox.cloud.settings.exchange_only_own = False
    assert exchange(subject_token=elsewhere).status_code == 200


def test_chain_of_exchanges_is_limited(sandbox, exchange, refusal) -> None:
    sandbox.cloud.settings.exchange_only_own = False
    sandbox.cloud.settings.exchange_depth = 2
    subject = sandbox.access_token()
    for _ in range(2):
        response = exchange(subject_token=subject)
        assert response.status_code == 200
        subject = response.json()["access_token"]
    assert refusal(exchange(subject_token=subject)) == (400, "invalid_grant")


def test_a_token_under_a_withdrawn_key_is_refused_and_under_an_overlapping_one_is_not(
    sandbox, exchange, refusal
) -> None:
    subject = sandbox.access_token()
    sandbox.cloud.keys.rotate(overlap=True)
    assert exchange(subject_token=subject).status_code == 200
    sandbox.cloud.keys.rotate(overlap=False)
    assert refusal(exchange(subject_token=subject)) == (400, "invalid_grant")
