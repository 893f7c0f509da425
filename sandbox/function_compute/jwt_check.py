"""What the trigger checks of a token: the signature by the pasted JWKS, and the time. Nothing else.

Neither `iss` nor `aud` nor `scope` is checked: the trigger cannot, so the function must. `exp` and `nbf` are
checked if present, with no leeway; the vendor documents neither a leeway nor that `exp` is required.
"""

import base64
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from joserfc import jwk, jws
from joserfc.errors import JoseError

ALGORITHMS = frozenset(
    {"EdDSA", *(f"{family}{size}" for family in ("RS", "PS", "ES", "HS") for size in (256, 384, 512))}
)
_KEY_TYPES = {"RS": "RSA", "PS": "RSA", "ES": "EC", "HS": "oct", "Ed": "OKP"}


class TokenRejectedError(Exception):
    """The token is refused. `expired` is set if only its lifetime is wrong."""

    def __init__(self, reason: str, *, expired: bool = False) -> None:
        super().__init__(reason)
        self.expired = expired


@dataclass(frozen=True, slots=True)
class PassedToken:
    """The claims of a token whose signature and time are right, and no more than that."""

    claims: Mapping[str, Any]


def check(token: str, jwks: Mapping[str, Any], now: float) -> PassedToken:
    """Raises `TokenRejectedError`; `now` is unix seconds."""
    header = _header(token)
    algorithm = header.get("alg")
    if not isinstance(algorithm, str) or algorithm not in ALGORITHMS:
        raise TokenRejectedError("the algorithm is not supported")
    key = _key(jwks, header.get("kid"))
    if key.get("kty") != _KEY_TYPES[algorithm[:2]] or key.get("alg", algorithm) != algorithm:
        raise TokenRejectedError("the key is for another algorithm")
    try:
        verified = jws.deserialize_compact(token, jwk.import_key(dict(key)), algorithms=[algorithm])
        claims = json.loads(verified.payload)
    except (JoseError, ValueError) as error:
        raise TokenRejectedError("the signature is wrong") from error
    if not isinstance(claims, dict):
        raise TokenRejectedError("the claims are not an object")
    _check_time(claims, now)
    return PassedToken(claims)


def _check_time(claims: Mapping[str, Any], now: float) -> None:
    for name in ("exp", "nbf"):
        value = claims.get(name)
        if value is not None and (isinstance(value, bool) or not isinstance(value, int | float)):
            raise TokenRejectedError("a time is not a number")
    if claims.get("exp") is not None and claims["exp"] <= now:
        raise TokenRejectedError("the token has expired", expired=True)
    if claims.get("nbf") is not None and claims["nbf"] > now:
        raise TokenRejectedError("the token is not valid yet")


def _header(token: str) -> Mapping[str, Any]:
    parts = token.split(".")
    if len(parts) != 3:
        raise TokenRejectedError("not a compact JWS")
    try:
        header = json.loads(base64.urlsafe_b64decode(parts[0] + "=" * (-len(parts[0]) % 4)))
    except ValueError as error:
        raise TokenRejectedError("the header is not JSON") from error
    if not isinstance(header, dict):
        raise TokenRejectedError("the header is not an object")
    return header


def _key(jwks: Mapping[str, Any], kid: object) -> Mapping[str, Any]:
    """The key of that `kid`; for a token without one, the key without one."""
    for key in jwks.get("keys", ()):
        if isinstance(key, Mapping) and key.get("kid") == kid:
            return key
    raise TokenRejectedError("no key of the pasted JWKS fits")
