"""A token whose parts, header or JSON are ambiguous is refused."""

import asyncio
import base64
import json
import string
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from identity.errors import AccessTokenError
from tests.identity.access_token.token_refusal import refused

pytestmark = pytest.mark.promise("verified-caller")

NESTED = b'{"iss":' + b"[" * 3000 + b"]" * 3000 + b"}"


@pytest.mark.parametrize("kind", ["JWT", "jwt", "at+jwt", "AT+JWT", "application/at+jwt", ...])
async def test_type_of_an_access_token_is_accepted(issuer: Any, kind: Any) -> None:
    assert await issuer.verifier().verify(issuer.token(header={"typ": kind}))


@pytest.mark.parametrize("kind", ["id+jwt", "logout+jwt", "dpop+jwt", "JOSE", "", 1, None, ["JWT"]])
async def test_other_token_type_is_refused(issuer: Any, kind: Any) -> None:
    assert '"typ"' in await refused(issuer, issuer.token(header={"typ": kind}))


@pytest.mark.parametrize(
    "header",
    [
        {"alg": "none"},
        {"alg": "None"},
        {"alg": "HS256"},
        {"alg": "RS384"},
        {"alg": "PS256"},
        {"alg": "ES256"},
        {"alg": "rs256"},
        {"alg": ...},
        {"alg": None},
        {"alg": ["RS256"]},
        {"crit": ["exp"]},
        {"crit": []},
        {"b64": False},
        {"b64": True},
        {"zip": "DEF"},
        {"kid": 7},
        {"kid": ""},
        {"kid": "k" * 300},
        {"kid": ["rsa-1"]},
    ],
)
@pytest.mark.promise("cheap-refusal")
async def test_wrong_header_is_refused_by_name_before_keys_are_fetched(
    issuer: Any, header: dict[str, Any]
) -> None:
    detail = await refused(issuer, issuer.token(header=header))
    assert f'header "{next(iter(header))}"' in detail
    assert issuer.keys.finds == 0


async def test_keys_and_urls_in_the_header_are_ignored(issuer: Any) -> None:
    own_key = {
        "jku": "https://evil.example/jwks",
        "x5u": "https://evil.example",
        "jwk": {"kty": "RSA"},
        "x5c": [],
    }
    assert await issuer.verifier().verify(issuer.token(header=own_key))


def shapes(token: str) -> dict[str, str]:
    header, payload, signature = token.split(".")
    return {
        "nothing": "",
        "dots": "..",
        "two parts": f"{header}.{payload}",
        "four parts": f"{token}.{signature}",
        "five parts, a JWE": f"{token}.{signature}.{signature}",
        "no signature": f"{header}.{payload}.",
        "no payload": f"{header}..{signature}",
        "white space": f" {token}",
        "a line feed": f"{token}\n",
        "padding": f"{header}=.{payload}.{signature}",
        "standard base64": token.replace("-", "+").replace("_", "/") + "/",
        "the JSON serialization": json.dumps(
            {"payload": payload, "protected": header, "signature": signature}
        ),
        "other characters": f"{token}é",
        "a lone surrogate": f"{token}\ud800",
        "a NUL": f"{token}\0",
        "a prefix": f"Bearer {token}",
    }


@pytest.mark.parametrize("shape", list(shapes("a.b.c")))
async def test_other_serialization_than_compact_is_refused(issuer: Any, shape: str) -> None:
    await refused(issuer, shapes(issuer.token())[shape])
    assert issuer.keys.finds == 0


async def test_non_canonical_encoding_of_the_signature_is_refused(issuer: Any) -> None:
    token = issuer.token()
    alphabet = string.ascii_uppercase + string.ascii_lowercase + string.digits + "-_"
    # 256 bytes end in 4 unused bits: 16 last characters would decode to the same bytes.
    other = alphabet[alphabet.index(token[-1]) ^ 1]
    assert "canonical" in await refused(issuer, token[:-1] + other)


@pytest.mark.parametrize(
    "payload",
    [
        b"",
        b"null",
        b"[]",
        b'"text"',
        b"7",
        b"{",
        b"{}{}",
        b'{"iss":"a","iss":"a"}',
        b"\xef\xbb\xbf{}",
        b"\xff\xfe{\x00}\x00",
        b'{"sub":"\xff"}',
        b'{"sub":"\\ud800"}',
        NESTED,
        b'{"a":' * 40 + b"1" + b"}" * 40,
    ],
)
async def test_payload_that_is_not_a_strict_json_object_is_refused(issuer: Any, payload: bytes) -> None:
    await refused(issuer, issuer.token(payload=payload), max_bytes=100_000)
    assert issuer.keys.finds == 0


async def test_duplicate_header_member_is_refused(issuer: Any) -> None:
    await refused(issuer, issuer.token(header=b'{"alg":"none","alg":"RS256","kid":"rsa-1"}'))


async def test_token_over_the_size_limit_is_refused_before_parsing(issuer: Any) -> None:
    assert "at most" in await refused(issuer, issuer.token(padding="x" * 9000))
    assert "at most" in await refused(issuer, "x" * 10_000_000)


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
def test_no_token_with_a_part_removed_or_repeated_is_accepted(
    issuer: Any, start: int, length: int, repeat: int
) -> None:
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
def test_any_signed_bytes_are_refused_without_another_exception(
    issuer: Any, header: bytes, payload: bytes
) -> None:
    assert not outcome(issuer, issuer.token(header=header, payload=payload))
