"""What the verifier accepts, what it refuses, and what it costs."""

import asyncio
import base64
import gc
import json
import string
import traceback
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from identity.error_table import ErrorCode
from identity.errors import AccessTokenError, AgentError, InsufficientScopeError, UnreachableError
from identity.secret import Secret

pytestmark = pytest.mark.promise("verified-caller")

NESTED = b'{"iss":' + b"[" * 3000 + b"]" * 3000 + b"}"


async def refused(issuer: Any, token: str, **verifier: Any) -> str:
    """The detail of the refusal; the token must be refused as invalid."""
    with pytest.raises(AccessTokenError) as caught:
        await issuer.verifier(**verifier).verify(token)
    assert caught.value.code is ErrorCode.ACCESS_TOKEN_INVALID
    assert not isinstance(caught.value, InsufficientScopeError)
    return caught.value.detail


async def test_a_good_token_gives_the_principal(issuer: Any) -> None:
    token = issuer.token(scope="openid agent.access")
    verified = await issuer.verifier().verify(token)
    assert (verified.principal.issuer, verified.principal.subject) == (issuer.url, "user_alice01")
    assert verified.audience == (issuer.audience,)
    assert verified.scopes == {"openid", "agent.access"}
    assert verified.expires_at == issuer.clock.now + 1200
    assert verified.token == Secret(token)


@pytest.mark.parametrize("kind", ["JWT", "jwt", "at+jwt", "AT+JWT", "application/at+jwt", ...])
async def test_the_type_of_an_access_token_is_accepted(issuer: Any, kind: Any) -> None:
    assert await issuer.verifier().verify(issuer.token(header={"typ": kind}))


@pytest.mark.parametrize("kind", ["id+jwt", "logout+jwt", "dpop+jwt", "JOSE", "", 1, None, ["JWT"]])
async def test_another_type_is_refused(issuer: Any, kind: Any) -> None:
    assert '"typ"' in await refused(issuer, issuer.token(header={"typ": kind}))


async def test_an_audience_among_several_is_accepted(issuer: Any) -> None:
    verified = await issuer.verifier().verify(issuer.token(aud=["https://other.example", issuer.audience]))
    assert verified.audience == ("https://other.example", issuer.audience)


@pytest.mark.parametrize(
    "members", [{"nbf": ...}, {"iat": ...}, {"exp": 1795526961.5 + 100}, {"jti": "x", "act": {}}]
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
async def test_a_wrong_claim_is_refused_by_its_name_before_a_key_is_asked_for(
    issuer: Any, claim: str, value: Any
) -> None:
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
async def test_times_have_a_leeway_of_30_seconds(
    issuer: Any, claim: str, offset: int, accepted: bool
) -> None:
    token = issuer.token(**{claim: int(issuer.clock.now) + offset})
    if accepted:
        assert await issuer.verifier().verify(token)
    else:
        assert f'claim "{claim}"' in await refused(issuer, token)


@pytest.mark.parametrize(
    "number", [b"NaN", b"Infinity", b"-Infinity", b"1e999", b"9" * 5000, b"0x10", b"01", b"- 1"]
)
async def test_a_number_that_is_none_is_refused(issuer: Any, number: bytes) -> None:
    payload = json.dumps(issuer.claims(exp=0)).encode().replace(b'"exp": 0', b'"exp": ' + number)
    await refused(issuer, issuer.token(payload=payload))


async def test_a_token_without_the_scope_is_told_apart(issuer: Any) -> None:
    for scope in ("agent.accessory", "agent", "AGENT.ACCESS", "", ...):
        with pytest.raises(InsufficientScopeError) as caught:
            await issuer.verifier().verify(issuer.token(scope=scope))
        assert caught.value.code is ErrorCode.INSUFFICIENT_SCOPE


async def test_every_word_of_the_required_scope_must_be_there(issuer: Any) -> None:
    verifier = issuer.verifier(scope="agent.access agent.admin")
    with pytest.raises(InsufficientScopeError):
        await verifier.verify(issuer.token())
    assert await verifier.verify(issuer.token(scope="agent.admin agent.access"))


async def test_a_forged_token_without_the_scope_is_invalid_rather_than_insufficient(issuer: Any) -> None:
    token = issuer.token(scope="other", header={"kid": "rsa-1"})
    await refused(issuer, token[:-8] + ("AAAAAAA" + token[-1]))


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
async def test_a_wrong_header_is_refused_by_its_name_before_a_key_is_asked_for(
    issuer: Any, header: dict[str, Any]
) -> None:
    detail = await refused(issuer, issuer.token(header=header))
    assert f'header "{next(iter(header))}"' in detail
    assert issuer.keys.finds == 0


async def test_keys_and_urls_in_the_header_are_not_looked_at(issuer: Any) -> None:
    own_key = {
        "jku": "https://evil.example/jwks",
        "x5u": "https://evil.example",
        "jwk": {"kty": "RSA"},
        "x5c": [],
    }
    assert await issuer.verifier().verify(issuer.token(header=own_key))


async def test_es256_is_accepted_only_where_it_is_allowed(issuer: Any, ec_key: Any) -> None:
    issuer.publish("ec-1", ec_key)
    token = issuer.token(header={"alg": "ES256", "kid": "ec-1"})
    await refused(issuer, token)
    assert await issuer.verifier(algorithms=("RS256", "ES256")).verify(token)


async def test_a_key_is_not_used_for_another_algorithm(issuer: Any) -> None:
    token = issuer.token(header={"alg": "ES256", "kid": "rsa-1"})
    assert '"kid"' in await refused(issuer, token, algorithms=("RS256", "ES256"))


async def test_a_token_without_a_kid_is_accepted_only_if_there_is_one_key(
    issuer: Any, other_rsa_key: Any
) -> None:
    token = issuer.token(header={"kid": ...})
    assert await issuer.verifier().verify(token)
    issuer.publish("rsa-2", other_rsa_key)
    assert '"kid"' in await refused(issuer, token)


async def test_a_signature_by_another_key_is_refused(issuer: Any, other_rsa_key: Any) -> None:
    issuer.publish("rsa-2", other_rsa_key)
    signing_input = issuer.token(header={"kid": "rsa-2"}).rsplit(".", 1)[0]
    await refused(issuer, issuer.sign(signing_input, kid="rsa-1"))


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
async def test_anything_but_the_compact_serialization_is_refused(issuer: Any, shape: str) -> None:
    await refused(issuer, shapes(issuer.token())[shape])
    assert issuer.keys.finds == 0


async def test_a_second_spelling_of_the_same_signature_is_refused(issuer: Any) -> None:
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
async def test_a_payload_that_is_no_strict_json_object_is_refused(issuer: Any, payload: bytes) -> None:
    await refused(issuer, issuer.token(payload=payload), max_bytes=100_000)
    assert issuer.keys.finds == 0


async def test_a_duplicate_header_member_is_refused(issuer: Any) -> None:
    await refused(issuer, issuer.token(header=b'{"alg":"none","alg":"RS256","kid":"rsa-1"}'))


async def test_a_token_larger_than_the_limit_is_refused_unread(issuer: Any) -> None:
    assert "at most" in await refused(issuer, issuer.token(padding="x" * 9000))
    assert "at most" in await refused(issuer, "x" * 10_000_000)


async def test_no_refusal_repeats_the_token(issuer: Any) -> None:
    token = issuer.token(sub="user_canary", aud="https://canary.example", iss="https://canary.example")
    assert "canary" not in await refused(issuer, token)
    assert token.split(".")[1] not in await refused(issuer, token)


@pytest.mark.parametrize("case", ["expired", "other audience", "other scope", "no key", "outage", "no token"])
async def test_no_frame_of_a_refusal_holds_the_token(issuer: Any, case: str) -> None:
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

    def held(self, *_: object) -> None:
        return None

    async def find(self, *_: object) -> None:
        raise UnreachableError(ErrorCode.JWKS_UNAVAILABLE, "down")


async def test_an_outage_of_the_keys_is_no_fault_of_the_token(issuer: Any) -> None:
    with pytest.raises(UnreachableError) as caught:
        await issuer.verifier(keys=BrokenKeys()).verify(issuer.token())
    assert caught.value.code is ErrorCode.JWKS_UNAVAILABLE


async def test_a_repeated_token_costs_no_signature_check(issuer: Any) -> None:
    verifier, token = issuer.verifier(), issuer.token()
    first = await verifier.verify(token)
    assert await verifier.verify(Secret(token)) == first
    assert issuer.keys.finds == 1


@pytest.mark.promise("no-secret-leaves")
async def test_what_is_remembered_does_not_keep_the_token(issuer: Any) -> None:
    verifier, token = issuer.verifier(), issuer.token()
    await verifier.verify(Secret(token))
    gc.collect()
    assert not [each for each in gc.get_objects() if isinstance(each, Secret) and each.reveal() == token]


async def test_a_remembered_token_still_expires(issuer: Any) -> None:
    verifier, token = issuer.verifier(), issuer.token()
    await verifier.verify(token)
    issuer.clock.advance(1200 + 30)
    with pytest.raises(AccessTokenError):
        await verifier.verify(token)


async def test_a_remembered_token_is_forgotten_when_its_key_is_gone(issuer: Any) -> None:
    verifier, token = issuer.verifier(), issuer.token()
    await verifier.verify(token)
    issuer.keys.keys.clear()
    with pytest.raises(AccessTokenError):
        await verifier.verify(token)


async def test_a_remembered_token_is_verified_anew_when_its_kid_names_another_key(
    issuer: Any, other_rsa_key: Any
) -> None:
    verifier, token = issuer.verifier(), issuer.token()
    await verifier.verify(token)
    issuer.publish("rsa-1", other_rsa_key)
    with pytest.raises(AccessTokenError):
        await verifier.verify(token)


async def test_the_memory_is_bounded_and_keeps_what_is_used(issuer: Any) -> None:
    verifier = issuer.verifier(remembered=2)
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
def test_a_verifier_with_a_vacuous_check_cannot_be_made(issuer: Any, arguments: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="must"):
        issuer.verifier(**arguments)


ANY_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=8,
)
PROPERTY = settings(
    max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
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
def test_no_token_with_a_piece_cut_or_repeated_is_accepted(
    issuer: Any, start: int, length: int, repeat: int
) -> None:
    token = issuer.token()
    start %= len(token)
    piece = token[start : start + length]
    mutated = token[:start] + piece * repeat + token[start + len(piece) :]
    assert outcome(issuer, mutated) == (mutated == token)


@PROPERTY
@given(claim=st.sampled_from(["iss", "sub", "aud", "exp", "nbf", "iat", "scope"]), value=ANY_JSON)
def test_a_signed_claim_of_any_value_gives_a_token_or_a_refusal(issuer: Any, claim: str, value: Any) -> None:
    accepted = outcome(issuer, issuer.token(**{claim: value}))
    if claim in ("iss", "aud") and value not in (issuer.url, issuer.audience):
        assert not accepted


@PROPERTY
@given(header=st.dictionaries(st.sampled_from(["alg", "typ", "kid", "crit", "cty", "jku", "x"]), ANY_JSON))
def test_a_signed_header_of_any_value_gives_a_token_or_a_refusal(issuer: Any, header: dict[str, Any]) -> None:
    accepted = outcome(issuer, issuer.token(header=header))
    assert accepted <= ({"alg", "crit"}.isdisjoint(header))


@PROPERTY
@given(
    text=st.text(max_size=400) | st.binary(max_size=300).map(lambda b: base64.urlsafe_b64encode(b).decode())
)
def test_any_text_is_refused_without_an_unexpected_error(issuer: Any, text: str) -> None:
    assert not outcome(issuer, text)
    assert not outcome(issuer, f"{text}.{text}.{text}")


@PROPERTY
@given(header=st.binary(max_size=60), payload=st.binary(max_size=60))
def test_any_signed_bytes_are_refused_without_an_unexpected_error(
    issuer: Any, header: bytes, payload: bytes
) -> None:
    assert not outcome(issuer, issuer.token(header=header, payload=payload))
