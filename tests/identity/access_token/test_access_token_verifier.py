"""The verifier: its result, the key it uses, its cache, and the secrecy of a refusal."""

import dataclasses
import gc
import pickle
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from identity.access_token.verified_access_token import VerifiedAccessToken
from identity.error_codes import IdentityCode
from identity.errors import AccessTokenError, AgentError, UnreachableError
from identity.principal import Principal
from identity.secrets.secret import Secret
from tests.identity.access_token.token_refusal import refused

pytestmark = pytest.mark.promise("verified-caller")


async def test_valid_token_returns_its_principal(issuer: Any) -> None:
    token = issuer.token(scope="openid agent.access")
    verified = await issuer.verifier().verify(token)
    assert (verified.principal.issuer, verified.principal.subject) == (issuer.url, "user_alice01")
    assert verified.audience == (issuer.audience,)
    assert verified.scopes == {"openid", "agent.access"}
    assert verified.expires_at == issuer.clock.now + 1200
    assert verified.token == Secret(token)


async def test_es256_is_accepted_only_if_allowed(issuer: Any, ec_key: Any) -> None:
    issuer.publish("ec-1", ec_key)
    token = issuer.token(header={"alg": "ES256", "kid": "ec-1"})
    await refused(issuer, token)
    assert await issuer.verifier(algorithms=("RS256", "ES256")).verify(token)


async def test_key_is_not_used_for_another_algorithm(issuer: Any) -> None:
    token = issuer.token(header={"alg": "ES256", "kid": "rsa-1"})
    assert '"kid"' in await refused(issuer, token, algorithms=("RS256", "ES256"))


async def test_token_without_kid_is_accepted_only_if_there_is_one_key(issuer, other_rsa_key):
    token = issuer.token(header={"kid": ...})
    assert await issuer.verifier().verify(token)
    issuer.publish("rsa-2", other_rsa_key)
    assert '"kid"' in await refused(issuer, token)


async def test_refusal_does_not_contain_the_token(issuer: Any) -> None:
    token = issuer.token(sub="user_canary", aud="https://canary.example", iss="https://canary.example")
    assert "canary" not in await refused(issuer, token)
    assert token.split(".")[1] not in await refused(issuer, token)


@pytest.mark.parametrize("case", ["expired", "other audience", "other scope", "no key", "outage", "no token"])
async def test_frames_of_a_refusal_do_not_contain_the_token(issuer: Any, case: str) -> None:
    verifier = issuer.verifier(keys=BrokenKeys()) if case == "outage" else issuer.verifier()
    claims: dict[str, dict[str, Any]] = {
        "expired": {"exp": 1},
        "other audience": {"aud": "x"},
        "other scope": {"scope": ""},
    }
    token = issuer.token(**claims.get(case, {}), header={"kid": "unknown"} if case == "no key" else None)
    if case == "no token":
        token = token.rsplit(".", 1)[0]
    with pytest.raises(AgentError) as caught:
        await verifier.verify(Secret(token))
    # The frame of this test has the token, so begin below it.
    below = caught.value.with_traceback(caught.tb.tb_next)
    shown = "".join(traceback.TracebackException.from_exception(below, capture_locals=True).format())
    assert "_verify" in shown
    assert token.split(".")[1] not in shown


class BrokenKeys:
    """A `KeySource` whose endpoint is down."""

    def cached(self, *_: object) -> None:
        return None

    async def find(self, *_: object) -> None:
        raise UnreachableError(IdentityCode.JWKS_UNAVAILABLE, "down")


async def test_key_source_outage_is_not_reported_as_an_invalid_token(issuer: Any) -> None:
    with pytest.raises(UnreachableError) as caught:
        await issuer.verifier(keys=BrokenKeys()).verify(issuer.token())
    assert caught.value.code is IdentityCode.JWKS_UNAVAILABLE


async def test_second_verification_of_a_token_checks_no_signature(issuer: Any) -> None:
    verifier, token = issuer.verifier(), issuer.token()
    first = await verifier.verify(token)
    assert await verifier.verify(Secret(token)) == first
    assert issuer.keys.finds == 1


@pytest.mark.promise("no-secret-leaves")
async def test_cached_verification_does_not_contain_the_token(issuer: Any) -> None:
    verifier, token = issuer.verifier(), issuer.token()
    await verifier.verify(Secret(token))
    gc.collect()
    assert not [each for each in gc.get_objects() if isinstance(each, Secret) and each.reveal() == token]


@pytest.mark.parametrize(
    "change",
    [
        pytest.param(lambda issuer: issuer.clock.advance(1200 + 30), id="expired"),
        pytest.param(lambda issuer: issuer.keys.keys.clear(), id="key withdrawn"),
        pytest.param(lambda issuer: issuer.publish("rsa-1", issuer.other_rsa_key), id="kid of another key"),
    ],
)
async def test_cached_token_is_refused_after_its_end_and_without_its_key(issuer: Any, change: Any) -> None:
    verifier, token = issuer.verifier(), issuer.token()
    await verifier.verify(token)
    change(issuer)
    with pytest.raises(AccessTokenError):
        await verifier.verify(token)


async def test_cache_is_bounded_and_keeps_recently_used_tokens(issuer: Any) -> None:
    verifier = issuer.verifier(cache_size=2)
    one, two, three = (issuer.token(jti=str(number)) for number in range(3))
    first = await verifier.verify(one)
    await verifier.verify(two)
    assert await verifier.verify(one) == first
    await verifier.verify(three)
    assert await verifier.verify(one) == first
    assert issuer.keys.finds == 3
    await verifier.verify(two)
    assert issuer.keys.finds == 4


@pytest.mark.parametrize(
    "arguments",
    [{"issuer": ""}, {"audience": ""}, {"scope": " "}, {"algorithms": ()}, {"algorithms": ("HS256",)}],
)
def test_verifier_with_a_vacuous_check_is_refused(issuer: Any, arguments: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="must"):
        issuer.verifier(**arguments)


ROOT = Path(__file__).parents[3]


def test_calling_the_class_raises_type_error() -> None:
    with pytest.raises(TypeError):
        VerifiedAccessToken(
            principal=Principal("iss", "sub"),
            audience=(),
            scopes=frozenset(),
            expires_at=1e12,
            fingerprint="",
            token=Secret("forged"),
        )


def test_verified_token_is_immutable(caller: Callable[..., VerifiedAccessToken]) -> None:
    alice = caller("alice")
    with pytest.raises(TypeError):
        dataclasses.replace(alice, principal=Principal("iss", "bob"))
    with pytest.raises(dataclasses.FrozenInstanceError):
        alice.principal = Principal("iss", "bob")  # type: ignore[misc]  # the refusal is under test
    with pytest.raises(TypeError):
        pickle.dumps(alice)


def test_only_the_verifier_and_the_kit_for_tests_call_assume_verified() -> None:
    packages = ("agent", "graph", "http1", "idaas_agent", "identity", "plugins", "tools", "sandbox")
    callers = {
        path.relative_to(ROOT).as_posix()
        for package in packages
        for path in (ROOT / package).rglob("*.py")
        if "tests" not in path.relative_to(ROOT).parts
        if "assume_verified" in path.read_text() or "_SEAL" in path.read_text()
    }
    defined, verifier = "identity/access_token/verified_access_token.py", "identity/access_token/verifier.py"
    assert callers == {defined, verifier, "idaas_agent/testing.py", "idaas_agent/issuer_under_test.py"}
