"""Token exchange: which subject tokens are refused, and the limit of repeated exchanges."""

from joserfc import jwk, jwt

from sandbox.state.directory import AGENT_AUDIENCE, ENTERPRISE_AUDIENCE


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


def test_rotated_keys_differ_and_come_in_the_same_order_after_a_reset(sandbox):
    def rotated():
        sandbox.cloud.keys.reset()
        kids = [sandbox.cloud.keys.current.kid]
        for _ in range(2):
            sandbox.cloud.keys.rotate(overlap=False)
            kids.append(sandbox.cloud.keys.current.kid)
        return kids

    assert len(set(rotated())) == 3
    assert rotated() == rotated()


def test_a_token_under_a_withdrawn_key_is_refused_and_under_an_overlapping_one_is_not(
    sandbox, exchange, refusal
) -> None:
    subject = sandbox.access_token()
    sandbox.cloud.keys.rotate(overlap=True)
    assert exchange(subject_token=subject).status_code == 200
    sandbox.cloud.keys.rotate(overlap=False)
    assert refusal(exchange(subject_token=subject)) == (400, "invalid_grant")
