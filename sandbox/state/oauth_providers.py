"""The OAuth providers of IDaaS (PAM): a calendar of another company, whose tokens IDaaS keeps for agents."""

import secrets
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Literal

from sandbox.state.directory import AGENT

CALENDAR = "calendar"
"""The provider that needs the user's consent (`user_federation`)."""
ROOMS = "calendar_rooms"
"""The provider of the agent's own account there (`m2m`)."""
SESSION_LIFETIME = 600
TOKEN_LIFETIME = 3600


@dataclass(slots=True)
class OAuthProvider:
    """`readers` are client ids and user subjects; `scope` is used where a request has none."""

    identifier: str
    provider_id: str
    flow: Literal["m2m", "user_federation"]
    scope: str
    readers: set[str]
    enabled: bool = True


@dataclass(frozen=True, slots=True)
class OAuthToken:
    """A token of the calendar for `consumer`, a client or a user. Times are unix seconds."""

    token_id: str
    provider: OAuthProvider
    consumer: str
    scope: str
    created_at: float
    expires_at: float
    value: str = field(repr=False)


@dataclass(slots=True)
class AuthorizationSession:
    """One request for a user's consent. `session_id` is what makes the consent page's address secret."""

    session_id: str
    provider: OAuthProvider
    creator: str
    consumer: str
    scope: str
    expires_at: float
    status: Literal["pending", "completed", "failed"] = "pending"
    token_id: str | None = None

    @property
    def uri(self) -> str:
        return f"urn:ietf:params:oauth:request_uri:{self.session_id}"


class OAuthProviders:
    """Providers by identifier, the tokens that IDaaS keeps, and the sessions in which users consent."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._providers: dict[str, OAuthProvider] = {}
        self._tokens: dict[tuple[str, str, str], OAuthToken] = {}
        self._sessions: dict[str, AuthorizationSession] = {}
        self._withdrawn: set[str] = set()
        self.reset()

    def reset(self) -> None:
        """The built-in providers, without tokens and sessions."""
        self._tokens.clear()
        self._sessions.clear()
        self._withdrawn.clear()
        readers = {AGENT, "user_alice01", "user_bob01"}
        self._providers = {
            CALENDAR: OAuthProvider(CALENDAR, "atp_oauth01", "user_federation", "calendar.read", readers),
            ROOMS: OAuthProvider(ROOMS, "atp_oauth02", "m2m", "rooms.read", set(readers)),
        }

    def __iter__(self) -> Iterator[OAuthProvider]:
        return iter(self._providers.values())

    def find(self, identifier: str) -> OAuthProvider | None:
        return self._providers.get(identifier)

    def stored(self, provider: OAuthProvider, consumer: str, scope: str) -> OAuthToken | None:
        """The token that is kept and good now."""
        token = self._tokens.get((provider.identifier, consumer, scope))
        return token if token and token.expires_at > self._clock() else None

    def issue(self, provider: OAuthProvider, consumer: str, scope: str) -> OAuthToken:
        """A new token of the calendar, which is kept. Nothing is checked."""
        now = int(self._clock())
        token = OAuthToken(
            f"atntkn_{secrets.token_hex(10)}",
            provider,
            consumer,
            scope,
            now,
            now + TOKEN_LIFETIME,
            f"cal_{secrets.token_urlsafe(32)}",
        )
        self._tokens[provider.identifier, consumer, scope] = token
        return token

    def tokens(self) -> tuple[OAuthToken, ...]:
        """Those that are kept."""
        return tuple(self._tokens.values())

    def by_value(self, value: str) -> OAuthToken | None:
        """The token that the calendar accepts."""
        found = next((token for token in self._tokens.values() if token.value == value), None)
        is_good = found and found.expires_at > self._clock() and found.token_id not in self._withdrawn
        return found if is_good else None

    def withdraw(self, consumer: str) -> int:
        """The calendar no longer accepts the tokens of `consumer`; IDaaS, which is not told, hands them out
        until they expire. Returns their number.
        """
        withdrawn = {token.token_id for token in self._tokens.values() if token.consumer == consumer}
        self._withdrawn |= withdrawn
        return len(withdrawn)

    def begin(self, provider: OAuthProvider, creator: str, consumer: str, scope: str) -> AuthorizationSession:
        """A session in which `consumer` may consent; the pending one again if there is one."""
        wanted = (provider, consumer, scope)
        for session in self._sessions.values():
            if (session.provider, session.consumer, session.scope) == wanted and self.is_open(session):
                return session
        session_id = f"atpoas_{secrets.token_urlsafe(24)}"
        end = self._clock() + SESSION_LIFETIME
        session = AuthorizationSession(session_id, provider, creator, consumer, scope, end)
        self._sessions[session_id] = session
        return session

    def session(self, session_id: str) -> AuthorizationSession | None:
        return self._sessions.get(session_id)

    def sessions(self) -> tuple[AuthorizationSession, ...]:
        """All sessions so far, oldest first."""
        return tuple(self._sessions.values())

    def is_open(self, session: AuthorizationSession) -> bool:
        """Whether the user may still decide."""
        return session.status == "pending" and session.expires_at > self._clock()

    def decide(self, session: AuthorizationSession, *, allowed: bool) -> None:
        """What the user chose: with their consent the token is kept."""
        if allowed:
            session.token_id = self.issue(session.provider, session.consumer, session.scope).token_id
        session.status = "completed" if allowed else "failed"
