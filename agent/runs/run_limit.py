"""The limits of concurrent runs in this process: per caller, and in total."""

import asyncio
from collections import Counter
from typing import Any, Final

from agent.errors.error_codes import AgentCode
from agent.errors.error_response import RETRY_AFTER_SECONDS
from identity.errors import LimitError, UnavailableError
from identity.principal import Principal

_MAX_RETRY_AFTER: Final = 60
"""OpenAI's clients ignore longer waits."""


class RunLimit:
    """0 is no limit. A run counts from its start to its end, whatever its outcome.

    The `Retry-After` of refused requests is staggered: per second, as many are invited to return as may run,
    so that clients that obey it do not all return at once.
    """

    def __init__(self, *, per_caller: int = 0, in_total: int = 0) -> None:
        self._per_caller = per_caller
        self._in_total = in_total
        self._running: Counter[Principal] = Counter()
        self._total = 0
        self._waiting: Counter[Principal] = Counter()

    def check(self, caller: Principal) -> None:
        """Raises `LimitError` if `caller`, `UnavailableError` if no caller may start another run now."""
        if self._per_caller and self._running[caller] >= self._per_caller:
            raise self._too_many(caller)
        if self._in_total and self._total >= self._in_total:
            raise UnavailableError(AgentCode.OVERLOADED, f"at most {self._in_total} in total")

    def count(self, caller: Principal, run: asyncio.Task[Any]) -> None:
        """Counts `run` until it is done."""
        self._running[caller] += 1
        self._total += 1
        self._waiting[caller] = max(0, self._waiting[caller] - 1)

        def ended(_: asyncio.Task[Any]) -> None:
            self._total -= 1
            self._running[caller] -= 1
            if not self._running[caller]:
                del self._running[caller], self._waiting[caller]

        run.add_done_callback(ended)

    def _too_many(self, caller: Principal) -> LimitError:
        seconds = RETRY_AFTER_SECONDS + self._waiting[caller] // self._per_caller
        self._waiting[caller] += 1
        text = f"at most {self._per_caller} for one caller"
        return LimitError(AgentCode.TOO_MANY_RUNS, text, retry_after=min(seconds, _MAX_RETRY_AFTER))
