"""The headers that every answer carries, whoever made it: CORS, a middleware, LangServe, or nobody at all."""

from typing import Final

from starlette.datastructures import MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

_HEADERS: Final = {
    "X-Content-Type-Options": "nosniff",
    "Cache-Control": "no-store",
    "Referrer-Policy": "no-referrer",
    "X-Frame-Options": "DENY",
}
_NO_PAGE: Final = "default-src 'none'; frame-ancestors 'none'; base-uri 'none'; form-action 'none'"
_PLAYGROUND: Final = (
    "default-src 'none'; script-src 'self' 'unsafe-inline'; style-src 'self' 'unsafe-inline'; "
    "img-src 'self' data:; font-src 'self' data:; connect-src 'self'; frame-ancestors 'none'; "
    "base-uri 'none'; form-action 'none'"
)
"""LangServe's page has its settings in a script within it, and makes styles."""


class ResponseHeaders:
    """A pure ASGI middleware, to be the outermost. A header that is set already stays."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Passes everything on; answers get their headers."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        policy = _PLAYGROUND if scope["path"].startswith("/agent/playground") else _NO_PAGE

        async def guarded(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                for name, value in _HEADERS.items():
                    headers.setdefault(name, value)
                headers.setdefault("Content-Security-Policy", policy)
                if "no-store" not in headers["Cache-Control"]:
                    headers["Cache-Control"] += ", no-store"
            await send(message)

        await self._app(scope, receive, guarded)
