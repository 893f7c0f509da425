"""An HTTP trigger with JWT authentication, as ASGI middleware: what it rejects never reaches the function."""

import json
import secrets
from collections.abc import Callable, Mapping
from http.cookies import CookieError, SimpleCookie
from typing import Any
from urllib.parse import urlencode

from starlette.datastructures import Headers, MutableHeaders, QueryParams
from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Receive, Scope, Send

from sandbox.function_compute.jwt_authentication import ClaimPassBy, JwtAuthentication, TokenLookup
from sandbox.function_compute.jwt_check import TokenRejectedError, check
from sandbox.state.counters import Counters

REQUEST_ID_HEADER = "x-fc-request-id"
Clock = Callable[[], float]


class HttpTrigger:
    """Verifies the token, passes the configured claims on, and answers 403 to everything else.

    The function can trust the mapped headers: those that the client sent under the same names, and all
    `x-fc-*`, are taken out first. A claim that is not a string is passed as JSON. Counted are
    `function_compute:jwt_rejected` and `function_compute:expired_credential`.
    """

    def __init__(
        self, function: ASGIApp, authentication: JwtAuthentication, counters: Counters, clock: Clock
    ) -> None:
        self._function = function
        self._authentication = authentication
        self._counters = counters
        self._clock = clock

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._function(scope, receive, send)
            return
        request_id = f"1-{secrets.token_hex(4)}-{secrets.token_hex(6)}"
        claims: Mapping[str, Any] = {}
        if self._authentication.needs_token(scope["path"]):
            try:
                claims = self._claims(scope)
            except TokenRejectedError as rejection:
                self._counters.count("function_compute", "jwt_rejected")
                if rejection.expired:
                    self._counters.expired_credential("function_compute")
                # The code and text for a bad token are not documented; these are ours.
                body = _rejection(request_id, "JWTTokenIsInvalid", "invalid or expired jwt")
                await body(scope, receive, send)
                return
            except LookupError:
                self._counters.count("function_compute", "jwt_rejected")
                body = _rejection(request_id, "JWTTokenIsMissing", "the jwt token is missing")
                await body(scope, receive, send)
                return
        await self._function(
            _passed_on(scope, claims, self._authentication.claims, request_id), receive, send
        )

    def _claims(self, scope: Scope) -> Mapping[str, Any]:
        token = _token(scope, self._authentication.lookups())
        return check(token, self._authentication.jwks(), self._clock()).claims


def _token(scope: Scope, lookups: tuple[TokenLookup, ...]) -> str:
    """The first token that a lookup finds. Raises LookupError."""
    for lookup in lookups:
        value = _value(scope, lookup)
        if value and value.startswith(lookup.prefix) and value != lookup.prefix:
            return value.removeprefix(lookup.prefix)
    raise LookupError("the jwt token is missing")


def _value(scope: Scope, lookup: TokenLookup) -> str | None:
    headers = Headers(scope=scope)
    if lookup.position == "header":
        return headers.get(lookup.name)
    if lookup.position == "query":
        return QueryParams(scope["query_string"]).get(lookup.name)
    try:
        morsel = SimpleCookie(headers.get("cookie", "")).get(lookup.name)
    except CookieError:
        return None
    return morsel.value if morsel else None


def _passed_on(
    scope: Scope, claims: Mapping[str, Any], mapped: tuple[ClaimPassBy, ...], request_id: str
) -> Scope:
    taken = {m.name.lower() for m in mapped if m.position == "header"}
    headers = MutableHeaders(
        raw=[
            (name, value)
            for name, value in scope["headers"]
            if name.decode("latin-1").lower() not in taken and not name.lower().startswith(b"x-fc-")
        ]
    )
    headers[REQUEST_ID_HEADER] = request_id
    queried: list[tuple[str, str]] = []
    for mapping in mapped:
        if (value := claims.get(mapping.claim)) is None:
            continue
        text = value if isinstance(value, str) and _fits_header(value) else json.dumps(value)
        if mapping.position == "header":
            headers[mapping.name] = text
        else:
            queried.append((mapping.name, text))
    names = {m.name for m in mapped if m.position == "query"}
    query = [
        pair for pair in QueryParams(scope["query_string"]).multi_items() if pair[0] not in names
    ] + queried
    passed = {**scope, "headers": headers.raw}
    return {**passed, "query_string": urlencode(query).encode()} if names else passed


def _fits_header(value: str) -> bool:
    return value.isascii() and value.isprintable()


def _rejection(request_id: str, code: str, message: str) -> JSONResponse:
    return JSONResponse(
        {"RequestId": request_id, "Code": code, "Message": message},
        403,
        headers={"X-Fc-Request-Id": request_id, "X-Fc-Error-Type": "FcCommonError"},
    )
