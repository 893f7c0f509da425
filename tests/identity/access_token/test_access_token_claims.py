"""The claims of a signed token: accepted values, and the refusal of each other value."""

import json
from typing import Any

import pytest

from identity.error_codes import IdentityCode
from identity.errors import InsufficientScopeError
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
async def test_wrong_claim_is_refused_by_name_before_keys_are_fetched(
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
