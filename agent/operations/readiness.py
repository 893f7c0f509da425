"""Whether the agent can serve now: the result of `GET /ready`, and the warm-up at start.

A check does what the first request would do (fetch the signing keys, obtain a credential). Cached values cost
nothing, so a ready agent responds from memory. An agent that is not ready repeats the failed checks on each
request, at most once a second, and recovers without a restart.

An optional check is of a part without which most requests can be served, such as the store of conversations:
its failure is reported, and the agent stays in service, unless its code is one of `_UNFIT`: then it is this
process that cannot serve, and others may.

A failure, and its end, are one line of the log each, however often the check is repeated.
"""

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import KW_ONLY, dataclass, field
from itertools import chain, repeat
from typing import Final

from agent.background import end_tasks
from agent.errors.error_codes import AgentCode
from agent.errors.error_table import for_operators
from identity.error_codes import IdentityCode
from identity.errors import AgentError, ErrorCode, InternalError, UnreachableError
from identity.observation.failure import place_of

_LOG: Final = logging.getLogger("idaas_agent.readiness")
_DELAYS: Final = (1.0, 2.0, 5.0, 10.0, 30.0)
_UNFIT: Final = frozenset({AgentCode.CONVERSATIONS_SCHEMA_UNKNOWN, AgentCode.CONVERSATIONS_KEY_MISSING})

Check = Callable[[], Awaitable[object]]


@dataclass(slots=True)
class Readiness:
    """Runs checks concurrently, each within `seconds`; concurrent callers share one round."""

    checks: Mapping[str, Check]
    _: KW_ONLY
    optional: Mapping[str, Check] = field(default_factory=dict)
    seconds: float = 10.0
    remembered_seconds: float = 1.0
    _round: asyncio.Task[Mapping[str, AgentError | None]] | None = field(init=False, default=None)
    _checked_at: float = field(init=False, default=float("-inf"))
    _reported: dict[str, ErrorCode] = field(init=False, default_factory=dict)
    """The codes of the failures that were logged, by check."""
    _ended_by: AgentError | None = field(init=False, default=None)

    async def failures(self) -> Mapping[str, AgentError | None]:
        """The failure of each check, or `None`."""
        if self._ended_by is not None:
            return {"shutdown": self._ended_by}
        fresh = time.monotonic() - self._checked_at < self.remembered_seconds
        if self._round is None or (self._round.done() and not fresh):
            self._checked_at = time.monotonic()
            self._round = asyncio.create_task(self._run())
        return await asyncio.shield(self._round)

    def in_service(self, failures: Mapping[str, AgentError | None]) -> bool:
        """Whether the agent serves in spite of `failures`."""
        return all(error is None or self._is_bearable(name, error) for name, error in failures.items())

    def end(self, reason: AgentError) -> None:
        """From now on reports `reason` as the failure."""
        self._ended_by = reason

    async def warm_up(self, then: Check, sleep: Callable[[float], Awaitable[object]] = asyncio.sleep) -> None:
        """Repeats the checks until all but optional ones succeed, then awaits `then` once. Never raises."""
        for delay in chain(_DELAYS, repeat(_DELAYS[-1])):
            if self.in_service(await self.failures()):
                break
            await sleep(delay)
        try:
            await then()
        except AgentError as error:
            _LOG.warning("warm-up: %s: %s", error.code, error.detail)
        except Exception as error:  # noqa: BLE001 - a fault of the agent must not end the process
            _LOG.error("warm-up raised %s at %s", type(error).__name__, place_of(error))

    async def aclose(self) -> None:
        """Cancels a running round."""
        await end_tasks(self._round)

    async def _run(self) -> Mapping[str, AgentError | None]:
        checks = {**self.checks, **self.optional}
        results = await asyncio.gather(*(self._one(name, check) for name, check in checks.items()))
        failures = dict(zip(checks, results, strict=True))
        for name, error in failures.items():
            self._report(name, error)
        return failures

    def _is_bearable(self, name: str, error: AgentError) -> bool:
        return name in self.optional and error.code not in _UNFIT

    def _report(self, name: str, error: AgentError | None) -> None:
        reported = self._reported.pop(name, None)
        if error is None:
            if reported is not None:
                _LOG.info('check "%s" succeeds again', name)
            return
        self._reported[name] = error.code
        if error.code != reported:
            kind = "degraded" if self._is_bearable(name, error) else "not ready"
            row = for_operators(error).row
            fields = {"check": name, "code": error.code.value, "cause": row.cause, "remedy": row.remedy}
            _LOG.error("%s: %s: %s", kind, error.code, error.detail, extra={"fields": fields})

    async def _one(self, name: str, check: Check) -> AgentError | None:
        try:
            async with asyncio.timeout(self.seconds):
                await check()
        except AgentError as error:
            return error
        except TimeoutError:
            return UnreachableError(IdentityCode.IDAAS_UNREACHABLE, f"no response within {self.seconds:g} s")
        except Exception as error:  # noqa: BLE001 - a fault of the agent is a result, too
            kind = type(error).__name__
            _LOG.error('check "%s" raised %s at %s', name, kind, place_of(error))
            return InternalError(AgentCode.INTERNAL_ERROR, f"the check raised {kind}")
        return None
