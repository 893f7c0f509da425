"""How many runs may go on at once in this process: of one caller, and altogether."""

import asyncio
from collections import Counter
from typing import Any

from identity.access_token import Principal
from identity.error_table import ErrorCode
from identity.errors import LimitError


class RunLimit:
    """0 is no limit. A run counts from its start to its end, however it ends."""

    def __init__(self, *, per_caller: int = 0, altogether: int = 0) -> None:
        self._per_caller = per_caller
        self._altogether = altogether
        self._running: Counter[Principal] = Counter()
        self._total = 0

    def check(self, caller: Principal) -> None:
        """Raises `LimitError` if `caller` may not start another run now."""
        if self._per_caller and self._running[caller] >= self._per_caller:
            raise LimitError(ErrorCode.TOO_MANY_RUNS, f"at most {self._per_caller} for one caller")
        if self._altogether and self._total >= self._altogether:
            raise LimitError(ErrorCode.OVERLOADED, f"at most {self._altogether} altogether")

    def count(self, caller: Principal, run: asyncio.Task[Any]) -> None:
        """Counts `run` until it is done."""
        self._running[caller] += 1
        self._total += 1

        def ended(_: asyncio.Task[Any]) -> None:
            self._total -= 1
            self._running[caller] -= 1
            if not self._running[caller]:
                del self._running[caller]

        run.add_done_callback(ended)
