"""A calendar of another company: its consent page, and the events behind its own access tokens.

The page is served on the plain port, for the browser; the events with the functions, over TLS.
"""

from html import escape

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, Response
from starlette.routing import Route
from starlette.types import ASGIApp

from sandbox.oauth_error import bearer_token
from sandbox.state.cloud import Cloud
from sandbox.state.oauth_providers import AuthorizationSession

PATH = "/calendar"
_HEADERS = {
    "Content-Security-Policy": "default-src 'none'; form-action 'self'; frame-ancestors 'none'",
    "Referrer-Policy": "same-origin",
    "Cache-Control": "no-store",
}


class Calendar:
    """The consent page stands for the foreign sign-in, the consent and IDaaS's callback in one step."""

    def __init__(self, cloud: Cloud) -> None:
        self._cloud = cloud

    async def consent(self, request: Request) -> Response:
        """The page, and the decision. The session's id, which cannot be guessed, is the only proof."""
        providers = self._cloud.oauth_providers
        session = providers.session(request.path_params["session"])
        if session is None or not providers.is_open(session):
            return _page("<p>This address is not valid any more. Go back to the chat.</p>", 404)
        if request.method == "GET":
            return _page(_form(session))
        allowed = b"decision=allow" in await request.body()
        providers.decide(session, allowed=allowed)
        return _page(f"<p>{'Allowed' if allowed else 'Denied'}. Go back to the chat.</p>")

    async def events(self, request: Request) -> Response:
        """The events of the account that the token is for."""
        token = self._cloud.oauth_providers.by_value(bearer_token(request) or "")
        if token is None:
            self._cloud.counters.count("calendar", "refused_credential")
            return JSONResponse({"error": "invalid_token"}, 401, {"WWW-Authenticate": "Bearer"})
        self._cloud.counters.count("calendar", "events")
        events = [{"title": "Quarterly review", "start": "2026-11-27T10:00:00+08:00"}]
        return JSONResponse({"account": token.consumer, "scope": token.scope, "events": events})


def pages(cloud: Cloud) -> ASGIApp:
    """Serves `/calendar/{session}`, the consent page."""
    consent = Calendar(cloud).consent
    return Starlette(routes=[Route(f"{PATH}/{{session}}", consent, methods=["GET", "POST"])])


def application(cloud: Cloud) -> ASGIApp:
    """Serves `/calendar/events`."""
    return Starlette(routes=[Route(f"{PATH}/events", Calendar(cloud).events)])


def _form(session: AuthorizationSession) -> str:
    return (
        f"<p>The agent asks to use your calendar: {escape(session.scope)}.</p>"
        '<form method="post"><button name="decision" value="allow">Allow</button> '
        '<button name="decision" value="deny">Deny</button></form>'
    )


def _page(content: str, status: int = 200) -> HTMLResponse:
    head = '<!doctype html><html lang="en"><title>Calendar · sandbox</title><h1>Calendar</h1>'
    return HTMLResponse(f"{head}{content}</html>", status, _HEADERS)
