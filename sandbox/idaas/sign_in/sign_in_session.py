"""Who is signed in to IDaaS, by browser: the session cookie and the store behind it."""

import secrets
from collections.abc import Callable
from dataclasses import dataclass

from starlette.requests import Request
from starlette.responses import Response

from sandbox.state.directory import Directory, User
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
