"""The calls of an `Identity`, made once for each event loop in which it is open."""

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Final, Protocol

from idaas_agent.library.governed_calls import DEFAULT_SECONDS, CallParts, GovernedCalls, KnownCalls
from idaas_agent.library.place import Place
from identity.access_token.verified_access_token import VerifiedAccessToken
from identity.errors import AccessTokenError
from tools.service import Service

if TYPE_CHECKING:
    from http1.proxy import ProxyVariables
    from idaas_agent.library.settings import LibrarySettings
    from identity.parts import IdentityParts


class OpenIdentity(Protocol):
    """The members of an `Identity` that calls need."""

    @property
    def settings(self) -> "LibrarySettings":
        """The settings."""

    @property
    def known_calls(self) -> KnownCalls:
        """The calls that the process knows."""

    @property
    def proxies(self) -> "ProxyVariables":
        """Where the proxies of its connections are named."""

    async def parts(self) -> "IdentityParts":
        """The parts for the event loop in progress: the same object while that lives."""

    async def required_caller(self) -> VerifiedAccessToken:
        """The caller of the run, or of `acting_for`, verified. Raises `AccessTokenError`."""


async def verified_caller(identity: OpenIdentity, place: Place) -> VerifiedAccessToken:
    """The caller of the run, verified. Raises `AccessTokenError`; then no answer counts that came."""
    try:
        return await identity.required_caller()
    except AccessTokenError:
        await void(identity, place)
        raise


async def void(identity: OpenIdentity, place: Place) -> None:
    """An answer that comes now is none, here or in another process."""
    from idaas_agent.library.restored_questions import withdraw_unknown  # it needs tools, which need this

    known = identity.known_calls
    opened = await identity.parts()
    if known.outlives_process:
        await withdraw_unknown(known.questions, place, known.kept(opened).approvals, opened.clock())
    known.questions.void(place)


async def settle(identity: OpenIdentity, place: Place, caller: VerifiedAccessToken) -> None:
    """Takes the answers that have come for the task. Raises `GraphInterrupt` if one is awaited."""
    from idaas_agent.library.restored_questions import restore

    known = identity.known_calls
    if known.outlives_process:
        await restore(known.questions, place, known.tools, caller)
    await known.questions.settle(place, caller)


class CallsOfIdentity:
    """Calls of the services that `make` makes for the parts of the identity: again if it opens anew, because
    connections belong to an event loop.
    """

    def __init__(
        self,
        identity: OpenIdentity,
        make: "Callable[[IdentityParts], Sequence[Service]]",
        seconds: float = DEFAULT_SECONDS,
    ) -> None:
        """`seconds` bounds the time of a call."""
        self.identity: Final = identity
        self._make = make
        self._seconds = seconds
        self._opened: IdentityParts | None = None
        self._calls: GovernedCalls | None = None

    async def calls(self) -> GovernedCalls:
        """The calls for the event loop in progress."""
        opened = await self.identity.parts()
        if self._calls is None or opened is not self._opened:
            self._opened = opened
            self._calls = GovernedCalls(self._make(opened), self._parts(opened), self._seconds)
        return self._calls

    def _parts(self, opened: "IdentityParts") -> CallParts:
        settings = self.identity.settings
        return CallParts(
            broker=opened.broker,
            audit=opened.audit,
            clock=opened.clock,
            access_identity=settings.access_identity,
            approval_seconds=settings.approval_seconds,
            known=self.identity.known_calls,
            kept=self.identity.known_calls.kept(opened),
            host=self.identity.known_calls.host,
        )
