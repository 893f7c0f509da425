"""One step of the agent, and who learns of it where it is executed: the audit log, a span, a measure."""

import asyncio
import time
from collections.abc import Callable, Mapping
from types import TracebackType
from typing import Any, Final, Protocol, Self

from identity.access_token.verified_access_token import VerifiedAccessToken
from identity.audit.event import AuditEvent, AuditOutcome
from identity.errors import AccessTokenError, AgentError, CredentialError, ErrorCode
from identity.observation.attribute import Attribute
from identity.observation.metrics import SUCCESS
from identity.observation.span import NO_SPAN, Span, timed_span

_SHOWN: Final = {
    "access_identity": Attribute.ACCESS_IDENTITY,
    "audience": Attribute.AUDIENCE,
    "scope": Attribute.SCOPE,
    "credential": Attribute.CREDENTIAL,
    "service": Attribute.SERVICE,
    "tool": Attribute.TOOL,
    "approval": Attribute.APPROVAL,
}
"""The span of a step shows whose rights it uses and what for, as the audit log does; never a credential."""


class AuditSink(Protocol):
    """Writes audit events; `agent.operations.audit.log.AuditLog` is an implementation."""

    async def record(self, event: AuditEvent) -> None:
        """Writes the event. It is accepted before the first await, so that a cancellation loses no event.

        Raises `AuditError` if records are required and this one cannot be written: then the step that it
        records must not continue.
        """


class NullAuditSink:
    """A sink that discards events, for parts that are used without an audit log."""

    async def record(self, event: AuditEvent) -> None:
        """Discards the event."""


class Step:
    """One step. `async with` records its end before the block's result is used, and then ends its span.

    Each record raises `AuditError` if the sink does: then the step must not continue.
    """

    def __init__(self, sink: AuditSink, clock: Callable[[], float], members: Mapping[str, Any]) -> None:
        """`members` are the members of `AuditEvent` that are equal at its start and at its end."""
        self._sink = sink
        self._clock = clock
        self._members = members
        self._began = time.perf_counter()
        self._timed: timed_span | None = None
        self._failure: AgentError | str = SUCCESS
        self._found: dict[str, Any] = {}

    def timed(self, timed: timed_span) -> Self:
        """The block is also that of `timed`."""
        self._timed = timed
        return self

    @property
    def span(self) -> Span:
        """The span of the block."""
        return NO_SPAN if self._timed is None else self._timed.span

    def failed(self, failure: AgentError | str) -> None:
        """The block ends with `failure`, which it does not raise: an error, or the code of an outcome."""
        self._failure = failure

    def found(self, **members: object) -> None:
        """Members of `AuditEvent` that are known at the end only."""
        self._found.update(members)

    async def started(self) -> None:
        """Records that the step starts. Cancelled before the event is written, it records the end too."""
        try:
            await self._sink.record(
                AuditEvent(time=self._clock(), outcome=AuditOutcome.STARTED, **self._members)
            )
        except asyncio.CancelledError as error:
            await self.ended_by(error)
            raise

    async def ended(
        self,
        outcome: AuditOutcome,
        error: ErrorCode | None = None,
        *,
        caller: VerifiedAccessToken | None = None,
    ) -> None:
        """Records the end. `caller` is the result of an authentication."""
        found = self._found if caller is None else {"principal": caller.principal}
        event = AuditEvent(
            time=self._clock(),
            outcome=outcome,
            error=error,
            duration=time.perf_counter() - self._began,
            **{**self._members, **found},
        )
        await self._sink.record(event)

    async def ended_by(self, error: BaseException) -> None:
        """Records the end by `error`: `refused` if it is a decision, else `failed` or `cancelled`."""
        if isinstance(error, AgentError):
            decided = isinstance(error, AccessTokenError | CredentialError)
            await self.ended(AuditOutcome.REFUSED if decided else AuditOutcome.FAILED, error.code)
        elif isinstance(error, asyncio.CancelledError):
            await self.ended(AuditOutcome.CANCELLED)
        else:
            await self.ended(AuditOutcome.FAILED)

    async def __aenter__(self) -> Self:
        if self._timed is not None and (span := self._timed.__enter__().span).recording:
            for name, attribute in _SHOWN.items():
                span.set(attribute, self._members.get(name))
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        failure = self._failure
        code = failure.code.value if isinstance(failure, AgentError) else failure
        try:
            if error is not None:
                await self.ended_by(error)
            elif isinstance(failure, AgentError):
                await self.ended_by(failure)
            else:
                await self.ended(AuditOutcome.FAILED if failure else AuditOutcome.SUCCEEDED)
        except BaseException as unrecorded:
            error = unrecorded
            raise
        finally:
            if self._timed is not None:
                self._timed.fail(code)
                self._timed.__exit__(None, error, None)
            del error  # else it and this frame keep each other
