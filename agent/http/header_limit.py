"""Limits the size of the request line and headers."""

from starlette.types import ASGIApp, Receive, Scope, Send

from agent.errors.error_response import RequestError, error_response

_LINE: int = len("  HTTP/1.1\r\n")
_FIELD: int = len(": \r\n")


class HeaderLimit:
    """A pure ASGI middleware. 431 (RFC 6585, section 5); the connection is closed.

    `agent.http.connection_limits` bounds headers that are not complete yet. It cannot replace this limit:
    it refuses before it has the `Origin` header, so a page could not read its response (CORS).
    """

    def __init__(self, app: ASGIApp, *, max_bytes: int) -> None:
        self._app = app
        self._max_bytes = max_bytes

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Passes on requests within the limit."""
        if scope["type"] == "http" and _size(scope) > self._max_bytes:
            await error_response(headers_too_large(self._max_bytes), {"Connection": "close"})(
                scope, receive, send
            )
            return
        await self._app(scope, receive, send)


def headers_too_large(max_bytes: int) -> RequestError:
    """The error of a request above the limit."""
    text = f"the request line and headers must have at most {max_bytes} bytes"
    return RequestError(None, text, code="headers_too_large", status=431)


def _size(scope: Scope) -> int:
    path = scope.get("raw_path") or scope["path"].encode()
    line = _LINE + len(scope["method"]) + len(path) + len(scope["query_string"])
    return line + sum(_FIELD + len(name) + len(value) for name, value in scope["headers"])
