"""Stops of an operator: new calls are refused, and those in progress end where nothing was changed.

A stop is one of the revocations in force (`identity.access_token.revocation_list`): it is kept where they
are, and reaches every process as they do. A look-up costs no request, and no time while nothing is stopped.
"""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager, suppress
from contextvars import ContextVar
from dataclasses import dataclass, field
from typing import Final

from langchain_core.messages import ToolCall

from graph.approvals.pending_call import PendingCall
from graph.approvals.policy import Allow, AnyUser, Ask, Decision, Deny, Facts, Forecast, denied
from graph.call_steps.call import Call
from graph.error_codes import GraphCode
from identity.access_token.revocation import CALLS, Revocation, Target
from identity.access_token.revocation_list import RevocationList
from identity.access_token.verified_access_token import VerifiedAccessToken
from identity.errors import ServiceError
from identity.printable import rfc3339
from tools.approval_policy import DataLabels
from tools.service import ToolSchema
from tools.service_name import service_of


@dataclass(frozen=True, slots=True)
class CallInProgress:
    """A call that goes on: for the user `subject`, since `began_at`, in unix seconds."""

    service: str
    tool: str
    subject: str
    call_id: str
    effect: str
    began_at: float


class Stops:
    """A `CallPolicy` that denies what is stopped, and asks nothing. Calls are made `while_allowed`.

    Guaranteed from the moment in which a stop is one of `revocations`: no call of it begins in this process,
    also none that waits for a person, and none that waits for its credential. A call that only reads ends at
    once. One that changes something and may have been sent goes on, so that its result is known and on
    record: `going_on` has it. For one event loop.
    """

    def __init__(self, revocations: RevocationList, clock: Callable[[], float]) -> None:
        self._revocations: Final = revocations
        self._clock: Final = clock
        self._running: Final[set[_Running]] = set()
        revocations.listeners.append(self._end_calls)

    def decides(self, call: ToolCall, service: str, read: DataLabels) -> bool:  # noqa: ARG002 - the seam's
        """See `CallPolicy`."""
        return self._revocations.stops_calls

    async def decide(
        self,
        pending: PendingCall,
        caller: VerifiedAccessToken,
        facts: Facts,  # noqa: ARG002 - the seam's
        so_far: Allow | Ask,
    ) -> Decision:
        """See `CallPolicy`. The reason is for the model and the person; neither knows who decided."""
        stopped = self._stopped(pending.service, pending.call["name"], caller.principal.subject)
        if stopped is None:
            return so_far
        return denied(so_far, f"not run: {stopped}", error=GraphCode.CALLS_STOPPED)

    async def forecast(self, service: str, tool: ToolSchema, user: AnyUser, so_far: Forecast) -> Forecast:
        """See `CallPolicy`."""
        stopped = self._stopped(service, tool.name, user.principal.subject)
        if stopped is None:
            return so_far
        return Deny(reason=f"not run: {stopped}", error=GraphCode.CALLS_STOPPED)

    @asynccontextmanager
    async def while_allowed(self, call: Call, is_sent: Callable[[], bool]) -> AsyncIterator[None]:
        """The block makes `call`, which may have been sent once `is_sent`. Raises `ServiceError`
        (`calls_stopped`) if it is stopped before that, or only reads.
        """
        self.check(call)
        ends = asyncio.timeout(None)
        running = _Running(call, self._clock(), is_sent, ends)
        self._running.add(running)
        outer = _IN_CALL.set(running)
        try:
            async with ends:
                yield
        except TimeoutError:
            if running.ended_by is None or not ends.expired():
                raise
            raise ServiceError(GraphCode.CALLS_STOPPED, running.ended_by) from None
        finally:
            _IN_CALL.reset(outer)
            self._running.discard(running)

    def check(self, call: Call) -> None:
        """Raises `ServiceError` (`calls_stopped`) if the call is stopped."""
        stopped = self._stopped(call.service.name, call.tool, call.pending.principal.subject)
        if stopped is not None:
            raise ServiceError(GraphCode.CALLS_STOPPED, stopped)

    async def check_request(self, service: str, subject: Callable[[], Awaitable[str | None]]) -> None:
        """For a request of code: raises `ServiceError` (`calls_stopped`) if `service`, the user for whom the
        code runs, or all calls are stopped. `subject` is asked for that user, if any user's calls are. For a
        request within a call, the stops count that were there before the call: a later one ends the call
        itself where it can.

        Raises what `revocations.unread` is: then nobody knows what is stopped.
        """
        if self._revocations.unread is not None:
            raise self._revocations.unread.again()
        if not self._revocations.stops_calls:
            return
        stops = [(Target.ALL_CALLS, ""), (Target.CALLS_OF_SERVICE, service)]
        if self._revocations.stops_users and (user := await subject()) is not None:
            stops.append((Target.CALLS_OF_USER, user))
        running = _IN_CALL.get()
        if running in self._running:
            stops = [stop for stop in stops if stop not in running.later_stops]
        if (stopped := self._first_of(stops)) is not None:
            raise ServiceError(GraphCode.CALLS_STOPPED, stopped)

    def going_on(self, stop: Revocation) -> Sequence[CallInProgress]:
        """The calls of a stop that have not ended in this process, the earliest first."""
        running = [running.shown for running in self._running if running.is_of(stop)]
        return sorted(running, key=lambda call: call.began_at)

    def _end_calls(self, revocation: Revocation) -> None:
        if revocation.target not in CALLS or revocation.until is None:
            return
        for running in self._running:
            running.later_stops.add((revocation.target, revocation.name))
            if running.is_of(revocation):
                running.end(_said(revocation.target, revocation.name, revocation.changed_at))

    def _stopped(self, node: str, tool: str, subject: str) -> str | None:
        """The stop that a call falls under; `None`: the call may be made."""
        if not self._revocations.stops_calls:
            return None
        return self._first_of(_stops_of(node, tool, subject))

    def _first_of(self, stops: Sequence[tuple[Target, str]]) -> str | None:
        for target, name in stops:
            if (since := self._revocations.stopped_at(target, name)) is not None:
                return _said(target, name, since)
        return None


@dataclass(eq=False, slots=True)
class _Running:
    """A call that this process makes now."""

    call: Call
    began_at: float
    is_sent: Callable[[], bool]
    ends: asyncio.Timeout
    ended_by: str | None = None
    later_stops: set[tuple[Target, str]] = field(default_factory=set)
    """The stops that have come while it was made."""

    @property
    def shown(self) -> CallInProgress:
        call = self.call
        effect = call.service.policy(call.tool).effect
        service = service_of(call.service.name)
        return CallInProgress(
            service, call.tool, call.pending.principal.subject, call.id, effect.value, self.began_at
        )

    def is_of(self, stop: Revocation) -> bool:
        """Whether it is one of the calls that are stopped."""
        stops = _stops_of(self.call.service.name, self.call.tool, self.call.pending.principal.subject)
        return (stop.target, stop.name) in stops

    def end(self, stopped: str) -> None:
        """Ends it, unless it may have begun to change something."""
        if self.is_sent() and not self.call.only_reads:
            return
        self.ended_by = stopped
        with suppress(RuntimeError):  # it ends already
            self.ends.reschedule(asyncio.get_running_loop().time())


_IN_CALL: Final[ContextVar[_Running | None]] = ContextVar("idaas_agent.call_in_progress", default=None)
"""The call that the code makes. Tasks that it begins inherit it, and may outlive it."""


def _stops_of(node: str, tool: str, subject: str) -> Sequence[tuple[Target, str]]:
    """The stops that a call is of, by their targets and names."""
    service = service_of(node)
    return (
        (Target.ALL_CALLS, ""),
        (Target.CALLS_OF_SERVICE, service),
        (Target.CALLS_OF_TOOL, tool),
        (Target.CALLS_OF_TOOL, f"{service}.{tool}"),
        (Target.CALLS_OF_USER, subject),
    )


def _said(target: Target, name: str, since: float) -> str:
    """A stop, for the model and the person."""
    at = rfc3339(since, "seconds")
    match target:
        case Target.CALLS_OF_SERVICE:
            what = f"the service {name}"
        case Target.CALLS_OF_TOOL:
            what = f"the tool {name}"
        case Target.CALLS_OF_USER:
            what = "the calls for this user"
        case _:
            what = "all calls"
    return f"an operator stopped {what} at {at}; tell the user, and do not call again"
