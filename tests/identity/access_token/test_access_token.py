"""The parts, header, JSON and claims of a token: accepted values, and the refusal of each other value."""

import asyncio
import base64
import json
import string
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from identity.error_codes import IdentityCode
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


WRONG_CLAIMS = [
    ("iss", ...),
    ("iss", None),
    ("iss", 7),
    ("iss", "https://idaas.example/api/v2/iauths_system/oauth2/"),
    ("iss", "https://IDAAS.example/api/v2/iauths_system/oauth2"),
    ("iss", ["https://idaas.example/api/v2/iauths_system/oauth2"]),
    ("sub", ...),
    ("sub", ""),
    ("sub", 7),
    ("sub", "a" * 256),
    ("sub", "alice\nInjected: header"),
    ("sub", "alice\u202e"),
    ("aud", ...),
    ("aud", None),
    ("aud", ""),
    ("aud", []),
    ("aud", [[]]),
    ("aud", {}),
    ("aud", "https://agent.example.evil"),
    ("aud", "https://agent.example https://other.example"),
    ("aud", ["https://agent.example", 7]),
    ("exp", ...),
    ("exp", None),
    ("exp", True),
    ("exp", "1795528161"),
    ("exp", []),
    ("exp", -1),
    ("exp", 1795528161000),
    ("exp", 10**400),
    ("nbf", "now"),
    ("nbf", True),
    ("nbf", None),
    ("iat", "now"),
    ("iat", False),
    ("scope", None),
    ("scope", 7),
    ("scope", ["agent.access"]),
    ("scope", "agent.access  other"),
    ("scope", " agent.access"),
    ("scope", "agent.access\tother"),
    ("scope", 'agent.access "'),
]


@pytest.mark.parametrize(("claim", "value"), WRONG_CLAIMS)
@pytest.mark.promise("cheap-refusal")
async def test_wrong_claim_is_refused_by_name_before_keys_are_fetched(issuer, claim, value):
    detail = await refused(issuer, issuer.token(**{claim: value}))
    assert f'claim "{claim}"' in detail
    assert issuer.keys.finds == 0


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


@pytest.mark.parametrize(
    "number", [b"NaN", b"Infinity", b"-Infinity", b"1e999", b"9" * 5000, b"0x10", b"01", b"- 1"]
)
async def test_invalid_json_number_is_refused(issuer: Any, number: bytes) -> None:
    payload = json.dumps(issuer.claims(exp=0)).encode().replace(b'"exp": 0', b'"exp": ' + number)
    await refused(issuer, issuer.token(payload=payload))


async def test_token_without_the_scope_raises_insufficient_scope(issuer: Any) -> None:
    for scope in ("agent.accessory", "agent", "AGENT.ACCESS", "", ...):
        with pytest.raises(InsufficientScopeError) as caught:
            await issuer.verifier().verify(issuer.token(scope=scope))
        assert caught.value.code is IdentityCode.INSUFFICIENT_SCOPE


async def test_token_must_have_every_word_of_the_required_scope(issuer: Any) -> None:
    verifier = issuer.verifier(scope="agent.access agent.admin")
    with pytest.raises(InsufficientScopeError):
        await verifier.verify(issuer.token())
    assert await verifier.verify(issuer.token(scope="agent.admin agent.access"))


async def test_forged_token_without_the_scope_is_invalid_not_insufficient(issuer: Any) -> None:
    token = issuer.token(scope="other", header={"kid": "rsa-1"})
    await refused(issuer, token[:-8] + ("AAAAAAA" + token[-1]))


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
async def test_wrong_header_is_refused_by_name_before_keys_are_fetched(issuer, header):
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
