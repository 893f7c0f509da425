"""The security headers of responses: the only place that names them, for every server of this package.

Every response has them, whether a route, a middleware, LangServe or the connection itself created it.
"""

from collections.abc import Collection, Mapping
from typing import Final

from starlette.datastructures import MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

_COMMON: Final = {"X-Content-Type-Options": "nosniff", "Referrer-Policy": "no-referrer"}
API_HEADERS: Final = {
    **_COMMON,
    "Cache-Control": "no-store",
    "X-Frame-Options": "DENY",
    "Content-Security-Policy": (
        "default-src 'none'; frame-ancestors 'none'; base-uri 'none'; form-action 'none'"
    ),
}


def html_headers(policy: str) -> Mapping[str, str]:
    """The security headers of a page with the Content Security Policy `policy`.

    Only its own origin may frame it.
    """
    return {
        **_COMMON,
        "Cache-Control": "no-cache",
        "Content-Security-Policy": policy,
        "Cross-Origin-Opener-Policy": "same-origin",
        "Cross-Origin-Resource-Policy": "same-origin",
        "Permissions-Policy": "camera=(), geolocation=(), microphone=(), payment=(), usb=()",
        "X-Frame-Options": "SAMEORIGIN",
    }


def add_headers(headers: MutableHeaders, added: Mapping[str, str], *, may_cache: bool = False) -> None:
    """Adds `added`. Existing headers stay, but `no-store` is added to each `Cache-Control`, unless the route
    `may_cache`: then its own counts.
    """
    for name, value in added.items():
        headers.setdefault(name, value)
    stores_nothing = added["Cache-Control"] == "no-store" and not may_cache
    if stores_nothing and "no-store" not in headers["Cache-Control"]:
        headers["Cache-Control"] += ", no-store"


def response_headers(
    app: ASGIApp, *, headers: Mapping[str, str] = API_HEADERS, cached: Collection[str] = ()
) -> ASGIApp:
    """ASGI middleware, to be the outermost: adds `headers` to every response. Routes at the paths `cached`
    say themselves how long their responses may be kept.
    """

    async def with_headers(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await app(scope, receive, send)
            return

        async def send_with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                may_cache = scope["path"] in cached
                add_headers(MutableHeaders(scope=message), headers, may_cache=may_cache)
            await send(message)

        await app(scope, receive, send_with_headers)

    return with_headers
