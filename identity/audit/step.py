"""One step of the agent, recorded where it is executed: at its start, its end, or both."""

import asyncio
import time
from collections.abc import Awaitable, Callable, Mapping
from typing import Any, TypeVar

from identity.access_token.verified_access_token import VerifiedAccessToken
from identity.audit.event import AuditEvent, AuditOutcome
from identity.audit.sink import AuditSink
from identity.errors import AccessTokenError, AgentError, CredentialError, ErrorCode

T = TypeVar("T")


class AuditedStep:
    """One step. Each method records one event, and raises `AuditError` if the sink does."""

    def __init__(self, sink: AuditSink, clock: Callable[[], float], members: Mapping[str, Any]) -> None:
        """`members` are the members of `AuditEvent` that are equal at its start and at its end."""
        self._sink = sink
        self._clock = clock
        self._members = members
        self._began = time.perf_counter()

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
        input_tokens: int | None = None,
        output_tokens: int | None = None,
    ) -> None:
        """Records the end. `caller` is the result of an authentication; the model counted the tokens."""
        found = {} if caller is None else {"principal": caller.principal}
        event = AuditEvent(
            time=self._clock(),
            outcome=outcome,
            error=error,
            duration=time.perf_counter() - self._began,
            input_tokens=input_tokens,
            output_tokens=output_tokens,
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

    async def around(self, work: Awaitable[T]) -> T:
        """Awaits `work`, and records its end before its result is returned or its error raised."""
        try:
            result = await work
        except BaseException as error:
            await self.ended_by(error)
            raise
        await self.ended(AuditOutcome.SUCCEEDED)
        return result
