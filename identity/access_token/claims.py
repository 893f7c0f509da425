"""Validates the shapes of an access token's claims; `verifier` compares their values."""

import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from functools import lru_cache
from types import MappingProxyType
from typing import Any, Final

from identity.access_token.verified_access_token import KeptClaim

_MAX_NUMERIC_DATE = 253_402_300_799  # of the year 9999: beyond it a number is milliseconds, or nonsense
_MAX_SUBJECT = 255  # OpenID Connect Core, section 2
_PRINTABLE_BLANKS = " \u115f\u1160\u2800\u3164\uffa0"
"""Characters that `str.isprintable` accepts but that are invisible: space, Hangul fillers, Braille blank."""
_SCOPE = re.compile(r"[\x21\x23-\x5b\x5d-\x7e]+(?: [\x21\x23-\x5b\x5d-\x7e]+)*")  # RFC 6749, section 3.3


@dataclass(frozen=True, slots=True)
class AccessTokenClaims:
    """The claims that the agent reads. Times are unix seconds."""

    issuer: str
    subject: str
    clients: frozenset[str]
    """The clients that the token was issued to: `client_id` and `azp`."""
    audience: tuple[str, ...]
    scopes: frozenset[str]
    expires_at: float
    not_before: float | None
    issued_at: float | None
    signed_in_at: float | None
    kept: Mapping[str, KeptClaim]


def read_claims(claims: Mapping[str, Any], kept: Collection[str] = ()) -> AccessTokenClaims:
    """The claims, with valid shapes, and those of `kept` that are texts or lists of texts.

    Raises `ValueError` that names the claim, expected and found type.

    `iss`, `sub`, `aud` and `exp` are required (RFC 9068, section 2.2); `iat`, `nbf`, `scope`, `client_id` and
    `azp` may be absent. `scope` is a text of words separated by single spaces (RFC 6749, section 3.3); a list
    is refused, because RFC 8693, section 4.2, defines no such form and IDaaS has none. An `auth_time` that is
    no time counts as absent: it decides about nothing but the age of a sign-in.
    """
    try:
        signed_in_at = _numeric_date(claims, "auth_time")
    except ValueError:
        signed_in_at = None
    return AccessTokenClaims(
        issuer=_text(claims, "iss", 2048),
        subject=_text(claims, "sub", _MAX_SUBJECT),
        clients=frozenset(
            _text(claims, name, _MAX_SUBJECT) for name in ("client_id", "azp") if name in claims
        ),
        audience=_audience(claims),
        scopes=_scopes(claims),
        expires_at=_required_date(claims, "exp"),
        not_before=_numeric_date(claims, "nbf"),
        issued_at=_numeric_date(claims, "iat"),
        signed_in_at=signed_in_at,
        kept=_kept_claims(claims, kept),
    )


def _kept_claims(claims: Mapping[str, Any], names: Collection[str]) -> Mapping[str, KeptClaim]:
    kept: dict[str, KeptClaim] = {}
    for name in names:
        value = claims.get(name)
        if isinstance(value, str):
            kept[name] = value
        elif isinstance(value, list) and all(isinstance(item, str) for item in value):
            kept[name] = tuple(value)
    return kept or _NO_CLAIMS


def subject_is_client(claims: AccessTokenClaims, clients: Collection[str]) -> bool:
    """Whether the subject is one of `clients` or a client that the token names, and so not a person.

    RFC 9068, section 2.2: without a resource owner, `sub` identifies the client. IDaaS writes the client id
    or, with a resource server's option "custom subject", `<client id>:<subject>`.
    """
    return any(
        claims.subject == client or claims.subject.startswith(f"{client}:")
        for client in claims.clients.union(clients)
    )


def _text(claims: Mapping[str, Any], name: str, max_length: int) -> str:
    value = claims.get(name)
    if (
        not isinstance(value, str)
        or len(value) > max_length
        or not value.isprintable()
        or not value.strip(_PRINTABLE_BLANKS)
    ):
        raise _invalid(name, f"must be a printable text of 1 to {max_length} characters, not blank", claims)
    return value


def _audience(claims: Mapping[str, Any]) -> tuple[str, ...]:
    # RFC 7519, section 4.1.3: a list of texts or, in the special case of one audience, a text.
    value = claims.get("aud")
    listed = value if isinstance(value, list) else [value]
    if not listed or not all(isinstance(audience, str) and audience for audience in listed):
        raise _invalid("aud", "must be a text or a list of texts", claims)
    return _shared_audience(tuple(listed))


def _scopes(claims: Mapping[str, Any]) -> frozenset[str]:
    if "scope" not in claims:
        return frozenset()
    value = claims["scope"]
    if not isinstance(value, str) or not (value == "" or _SCOPE.fullmatch(value)):
        raise _invalid("scope", "must be words separated by single spaces", claims)
    return _shared_scopes(value)


# The tokens of all users have few distinct audiences and scopes: equal ones share one object, as do the
# claims of those that have none to keep.

_NO_CLAIMS: Final[Mapping[str, KeptClaim]] = MappingProxyType({})


@lru_cache(256)
def _shared_audience(audience: tuple[str, ...]) -> tuple[str, ...]:
    return audience


@lru_cache(256)
def _shared_scopes(scope: str) -> frozenset[str]:
    return frozenset(scope.split(" ")) if scope else frozenset()


def _required_date(claims: Mapping[str, Any], name: str) -> float:
    date = _numeric_date(claims, name)
    if date is None:
        raise _invalid(name, "must be present", claims)
    return date


def _numeric_date(claims: Mapping[str, Any], name: str) -> float | None:
    """A NumericDate (RFC 7519, section 2), or `None` if absent. JSON's true and null are refused."""
    if name not in claims:
        return None
    value = claims[name]
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value <= _MAX_NUMERIC_DATE:
        raise _invalid(name, "must be a time in unix seconds", claims)
    return float(value)


def _invalid(name: str, fault: str, claims: Mapping[str, Any]) -> ValueError:
    type_name = type(claims[name]).__name__ if name in claims else "nothing"
    return ValueError(f'claim "{name}" {fault}, found {type_name}')
