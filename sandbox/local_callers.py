"""Callers on this machine only: loopback addresses that use a loopback name, and no web page.

Neither a foreign site in a browser on this machine nor a rebound DNS name gets through.
"""

import ipaddress

from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Receive, Scope, Send

LOOPBACK_NAMES = frozenset({"localhost", "127.0.0.1", "::1"})


def for_this_machine_only(app: ASGIApp, names: frozenset[str] = LOOPBACK_NAMES) -> ASGIApp:
    """Refuses every other caller with 403. `names` are the hosts by which the port may be called."""

    async def guard(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http" and (reason := _foreign(Request(scope), names)):
            await JSONResponse({"error": reason}, 403)(scope, receive, send)
            return
        await app(scope, receive, send)

    return guard


def _foreign(request: Request, names: frozenset[str]) -> str | None:
    """Why this caller is refused."""
    client = request.client.host if request.client else ""
    try:
        if not ipaddress.ip_address(client).is_loopback:
            return "the caller must be on this machine"
    except ValueError:
        return "the caller must have an IP address"
    if request.url.hostname not in names:
        return "the host must be localhost"
    if "origin" in request.headers or request.headers.get("sec-fetch-site", "none") != "none":
        return "web pages are refused"
    if request.method == "POST" and request.headers.get("content-type", "").partition(";")[0] not in (
        "application/json",
        "",
    ):
        return 'content type must be "application/json"'
    return None
