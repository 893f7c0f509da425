"""The header and claims of a token: what is accepted, up to which time, and that no other token is.

Each refusal has its vector in tests/security/callers/tokens, for the verifier and over HTTP.
"""

import asyncio
import base64
import string
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from identity.errors import AccessTokenError, InsufficientScopeError
from tests.identity.access_token.token_refusal import refused

pytestmark = pytest.mark.promise("verified-caller")


async def test_audience_in_a_list_is_accepted(issuer: Any) -> None:
    verified = await issuer.verifier().verify(issuer.token(aud=["https://other.example", issuer.audience]))
    assert verified.audience == ("https://other.example", issuer.audience)


@pytest.mark.parametrize(
    "members",
    [
        {"nbf": ...},
        {"iat": ...},
        {"exp": 1795526961.5 + 100},
        {"jti": "x", "act": {}},
        {"client_id": "app", "azp": "app"},
    ],
)
async def test_optional_claims_may_be_absent_or_unknown(issuer: Any, members: dict[str, Any]) -> None:
    assert await issuer.verifier().verify(issuer.token(**members))


@pytest.mark.parametrize(
    ("claim", "offset", "accepted"),
    [
        ("exp", -29, True),
        ("exp", -30, False),
        ("nbf", 30, True),
        ("nbf", 31, False),
        ("iat", 30, True),
        ("iat", 31, False),
    ],
)
async def test_times_have_a_leeway_of_30_seconds(issuer, claim, offset, accepted):
    token = issuer.token(**{claim: int(issuer.clock.now) + offset})
    if accepted:
        assert await issuer.verifier().verify(token)
    else:
        assert f'claim "{claim}"' in await refused(issuer, token)


async def test_token_must_have_every_word_of_the_required_scope(issuer: Any) -> None:
    verifier = issuer.verifier(scope="agent.access agent.admin")
    with pytest.raises(InsufficientScopeError):
        await verifier.verify(issuer.token())
    assert await verifier.verify(issuer.token(scope="agent.admin agent.access"))


@pytest.mark.parametrize("kind", ["JWT", "jwt", "at+jwt", "AT+JWT", "application/at+jwt", ...])
async def test_type_of_an_access_token_is_accepted(issuer: Any, kind: Any) -> None:
    assert await issuer.verifier().verify(issuer.token(header={"typ": kind}))


async def test_keys_and_urls_in_the_header_are_ignored(issuer: Any) -> None:
    own_key = {
        "jku": "https://evil.example/jwks",
        "x5u": "https://evil.example",
        "jwk": {"kty": "RSA"},
        "x5c": [],
    }
    assert await issuer.verifier().verify(issuer.token(header=own_key))


ANY_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=8,
)
PROPERTY = settings(
    max_examples=150,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)


def outcome(issuer: Any, token: str) -> bool:
    """Whether the token is accepted; any exception but a refusal fails the test."""
    try:
        asyncio.run(issuer.verifier().verify(token))
    except AccessTokenError:
        return False
    return True


@PROPERTY
@given(position=st.integers(0, 10_000), character=st.sampled_from(string.printable + "é"))
def test_no_token_with_one_character_changed_is_accepted(issuer: Any, position: int, character: str) -> None:
    token = issuer.token()
    position %= len(token)
    mutated = token[:position] + character + token[position + 1 :]
    assert outcome(issuer, mutated) == (mutated == token)


@PROPERTY
@given(start=st.integers(0, 10_000), length=st.integers(1, 200), repeat=st.integers(0, 2))
def test_no_token_with_a_part_removed_or_repeated_is_accepted(issuer, start, length, repeat):
    token = issuer.token()
    start %= len(token)
    piece = token[start : start + length]
    mutated = token[:start] + piece * repeat + token[start + len(piece) :]
    assert outcome(issuer, mutated) == (mutated == token)


@PROPERTY
@given(claim=st.sampled_from(["iss", "sub", "aud", "exp", "nbf", "iat", "scope"]), value=ANY_JSON)
def test_signed_claim_of_any_value_is_accepted_or_refused(issuer: Any, claim: str, value: Any) -> None:
    accepted = outcome(issuer, issuer.token(**{claim: value}))
    if claim in ("iss", "aud") and value not in (issuer.url, issuer.audience):
        assert not accepted


@PROPERTY
@given(header=st.dictionaries(st.sampled_from(["alg", "typ", "kid", "crit", "cty", "jku", "x"]), ANY_JSON))
def test_signed_header_of_any_value_is_accepted_or_refused(issuer: Any, header: dict[str, Any]) -> None:
    accepted = outcome(issuer, issuer.token(header=header))
    assert accepted <= ({"alg", "crit"}.isdisjoint(header))


@PROPERTY
@given(
    text=st.text(max_size=400) | st.binary(max_size=300).map(lambda b: base64.urlsafe_b64encode(b).decode())
)
def test_any_text_is_refused_without_another_exception(issuer: Any, text: str) -> None:
    assert not outcome(issuer, text)
    assert not outcome(issuer, f"{text}.{text}.{text}")


@PROPERTY
@given(header=st.binary(max_size=60), payload=st.binary(max_size=60))
def test_any_signed_bytes_are_refused_without_another_exception(issuer, header, payload):
    assert not outcome(issuer, issuer.token(header=header, payload=payload))
