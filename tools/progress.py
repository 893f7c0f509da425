"""How far a call of a tool is: the tool reports it, people see it, and the call's time limits begin anew."""

import asyncio
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Final, TypeAlias

Report: TypeAlias = Callable[[float | None, str], None]

_REPORTS: Final[ContextVar[tuple[Report, ...]]] = ContextVar("idaas_agent.tool_progress", default=())


def progress(fraction: float | None, message: str = "") -> None:
    """For a tool, during its call: the part that is done, from 0 to 1, or `None` if that is not known.

    People who follow the run see it with `message`, the model does not. Elsewhere it does nothing.
    """
    for report in _REPORTS.get():
        report(fraction, message)


@contextmanager
def reported_to(*reports: Report) -> Iterator[None]:
    """Calls `reports` for each `progress` in the block, after those around it."""
    token = _REPORTS.set((*_REPORTS.get(), *reports))
    try:
        yield
    finally:
        _REPORTS.reset(token)


class TimeLimit:
    """A time limit of `seconds`, which begins anew with each report of progress; ten times at most."""

    def __init__(self, seconds: float) -> None:
        self.seconds: Final = seconds
        now = asyncio.get_running_loop().time()
        self.timeout: Final = asyncio.timeout_at(now + seconds)
        self._last = now + 10 * seconds

    def progressed(self, *_: object) -> None:
        """Holds off the limit: a `Report`."""
        if not self.timeout.expired():
            now = asyncio.get_running_loop().time()
            self.timeout.reschedule(min(now + self.seconds, self._last))

    def stop(self) -> None:
        """Ends no more, until `progressed`."""
        if not self.timeout.expired():
            self.timeout.reschedule(None)

    def end(self) -> None:
        """The time ends now, for a block that is in `timeout`."""
        self._last = 0.0
        self.progressed()
