"""The sessions of people at IDaaS, by browser: the cookie, its store, and the logout endpoint."""

import secrets
from collections.abc import Callable
from dataclasses import dataclass
from urllib.parse import urlencode, urlsplit

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from sandbox.idaas.sign_in.pages import page
from sandbox.idaas.tokens.refresh_token import RefreshTokens
from sandbox.oauth_error import new_request_id
from sandbox.state.cloud import Cloud
from sandbox.state.directory import Directory, User
from sandbox.state.records import Event
from sandbox.state.settings import Settings

COOKIE = "idaas_sandbox_session"
COOKIE_PATH = "/login"


@dataclass(frozen=True, slots=True)
class SignInSession:
    """A user and the time of their sign-in, in unix seconds."""

    subject: str
    authenticated_at: float
    expires_at: float


class SignInSessions:
    """Sessions by the cookie's value; the cookie is HttpOnly, SameSite=Lax, and Secure over TLS."""

    def __init__(self, settings: Settings, clock: Callable[[], float]) -> None:
        self._settings = settings
        self._clock = clock
        self._sessions: dict[str, SignInSession] = {}

    def begin(self, request: Request, response: Response, user: User) -> None:
        """Signs in; a session that the browser had before ends."""
        self._sessions.pop(request.cookies.get(COOKIE, ""), None)
        now = self._clock()
        self._sessions = {key: s for key, s in self._sessions.items() if s.expires_at > now}
        session_id = secrets.token_urlsafe(32)
        self._sessions[session_id] = SignInSession(user.subject, now, now + self._settings.session_lifetime)
        set_private_cookie(request, response, COOKIE, session_id)

    def find(self, request: Request, directory: Directory) -> tuple[SignInSession, User] | None:
        """The browser's session, if it is still good and its user may still sign in."""
        session = self._sessions.get(request.cookies.get(COOKIE, ""))
        if session is None or session.expires_at <= self._clock():
            return None
        user = directory.user_by_subject(session.subject)
        if user is None or user.subject in directory.disabled:
            return None
        return session, user

    def end(self, request: Request, response: Response) -> None:
        """Signs out."""
        self._sessions.pop(request.cookies.get(COOKIE, ""), None)
        response.delete_cookie(COOKIE, path=COOKIE_PATH)

    def reset(self) -> None:
        """Signs everybody out."""
        self._sessions.clear()


def set_private_cookie(request: Request, response: Response, name: str, value: str) -> None:
    """A cookie for the sign-in pages only, for as long as the browser runs."""
    response.set_cookie(
        name, value, path=COOKIE_PATH, httponly=True, samesite="lax", secure=request.url.scheme == "https"
    )


class LogoutEndpoint:
    """`post_logout_redirect_uri` must be registered for `client_id` as it is; otherwise a page says so.

    Access tokens that were issued stay valid until they expire; refresh tokens of the person end.
    """

    def __init__(self, cloud: Cloud, sessions: SignInSessions, refresh_tokens: RefreshTokens) -> None:
        self._cloud = cloud
        self._sessions = sessions
        self._refresh_tokens = refresh_tokens

    async def answer(self, request: Request) -> Response:
        self._cloud.counters.count("idaas", "logout")
        found = self._sessions.find(request, self._cloud.directory)
        client_id = request.query_params.get("client_id", "")
        response = self._response(request, client_id)
        self._sessions.end(request, response)
        if found is not None:
            self._refresh_tokens.end(found[1].subject)
            event = Event("logout", new_request_id(), client=client_id or None, subject=found[1].subject)
            self._cloud.events.record(event)
        return response

    def _response(self, request: Request, client_id: str) -> Response:
        target = request.query_params.get("post_logout_redirect_uri")
        if target is None:
            return page("signed_out.html")
        client = self._cloud.directory.applications.get(client_id)
        if client is None or target not in client.post_logout_redirect_uris:
            reason = "post_logout_redirect_uri is not registered for this client; you are signed out"
            return page("refused.html", status=400, description=reason)
        state = request.query_params.get("state")
        if state is not None:
            target += ("&" if urlsplit(target).query else "?") + urlencode({"state": state})
        return RedirectResponse(target, 302, headers={"Cache-Control": "no-store"})
