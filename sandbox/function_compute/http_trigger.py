"""An HTTP trigger with JWT authentication, as ASGI middleware: what it rejects never reaches the function.

It checks the signature by the pasted JWKS, and the time. It checks neither `iss` nor `aud` nor `scope`: the
function must. `exp` and `nbf` are checked if present, with no leeway; the vendor documents neither a leeway
nor that `exp` is required.
https://www.alibabacloud.com/help/en/functioncompute/fc/configure-jwt-authentication-for-an-http-trigger
"""

import json
import secrets
from collections.abc import Callable, Mapping
from typing import Any

from joserfc import jwk, jws
from joserfc.errors import JoseError
from starlette.datastructures import Headers, MutableHeaders
from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Receive, Scope, Send

from sandbox.state.records import Counters

REQUEST_ID_HEADER = "x-fc-request-id"
PASSED_CLAIMS = ("iss", "sub", "aud", "scope", "client_id", "azp", "act")
OPEN_PATHS = ("/healthz", "/echo/")
"""Paths, and beginnings of paths, that need no token."""
ALGORITHMS = frozenset(
    {"EdDSA", *(f"{family}{size}" for family in ("RS", "PS", "ES", "HS") for size in (256, 384, 512))}
)
_KEY_TYPES = {"RS": "RSA", "PS": "RSA", "ES": "EC", "HS": "oct", "Ed": "OKP"}


class HttpTrigger:
    """Verifies the token and passes its claims on as headers `x-jwt-<claim>`; other requests get 403.

    `jwks` is the copy that an operator pasted, `prefix` what stands before the token in `Authorization`. The
    function can trust the headers: those that the client sent under the same names, and all `x-fc-*`, are
    taken out first. A claim that is not a string is passed as JSON. Counted are
    `function_compute:jwt_rejected` and `function_compute:expired_credential`.
    """

    def __init__(
        self,
        function: ASGIApp,
        jwks: Callable[[], Mapping[str, Any]],
        prefix: Callable[[], str],
        counters: Counters,
        clock: Callable[[], float],
    ) -> None:
        self._function = function
        self._jwks = jwks
        self._prefix = prefix
        self._counters = counters
        self._clock = clock

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._function(scope, receive, send)
            return
        request_id = f"1-{secrets.token_hex(4)}-{secrets.token_hex(6)}"
        claims: Mapping[str, Any] = {}
        if not scope["path"].startswith(OPEN_PATHS):
            value, prefix = Headers(scope=scope).get("authorization", ""), self._prefix()
            missing = not value.startswith(prefix) or value == prefix
            try:
                claims = check("" if missing else value.removeprefix(prefix), self._jwks(), self._clock())
            except TokenRejectedError as rejection:
                self._counters.count("function_compute", "jwt_rejected")
                if rejection.expired:
                    self._counters.expired_credential("function_compute")
                # The vendor documents no code and text for a bad token.
                invalid = ("JWTTokenIsInvalid", "invalid or expired jwt")
                refusal = ("JWTTokenIsMissing", "the jwt token is missing") if missing else invalid
                await _rejection(request_id, *refusal)(scope, receive, send)
                return
        await self._function(_passed_on(scope, claims, request_id), receive, send)


def claim_header(claim: str) -> str:
    """The header by which the function receives a claim."""
    return f"x-jwt-{claim.replace('_', '-')}"


def claim_headers(claims: Mapping[str, Any]) -> dict[str, str]:
    """The headers that the function receives."""
    found = {claim_header(claim): claims.get(claim) for claim in PASSED_CLAIMS}
    return {name: _text(value) for name, value in found.items() if value is not None}


def _text(value: object) -> str:
    return value if isinstance(value, str) and value.isascii() and value.isprintable() else json.dumps(value)


def _passed_on(scope: Scope, claims: Mapping[str, Any], request_id: str) -> Scope:
    taken = tuple(claim_header(claim).encode() for claim in PASSED_CLAIMS)
    kept = [
        (n, v) for n, v in scope["headers"] if n.lower() not in taken and not n.lower().startswith(b"x-fc-")
    ]
    headers = MutableHeaders(raw=kept)
    headers.update({REQUEST_ID_HEADER: request_id} | claim_headers(claims))
    return {**scope, "headers": headers.raw}


class TokenRejectedError(Exception):
    """The token is refused. `expired` is set if only its lifetime is wrong."""

    def __init__(self, reason: str, *, expired: bool = False) -> None:
        super().__init__(reason)
        self.expired = expired


def check(token: str, jwks: Mapping[str, Any], now: float) -> Mapping[str, Any]:
    """The claims of a token that is good at `now` (unix seconds). Raises `TokenRejectedError`."""
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
    return claims


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
    try:
        return jws.extract_compact(token.encode()).headers()
    except (JoseError, ValueError, TypeError) as error:
        raise TokenRejectedError("not a compact JWS") from error


def _key(jwks: Mapping[str, Any], kid: object) -> Mapping[str, Any]:
    """The key of that `kid`; for a token without one, the key without one."""
    for key in jwks.get("keys", ()):
        if isinstance(key, Mapping) and key.get("kid") == kid:
            return key
    raise TokenRejectedError("no key of the pasted JWKS fits")


def _rejection(request_id: str, code: str, message: str) -> JSONResponse:
    return JSONResponse(
        {"RequestId": request_id, "Code": code, "Message": message},
        403,
        headers={"X-Fc-Request-Id": request_id, "X-Fc-Error-Type": "FcCommonError"},
    )
