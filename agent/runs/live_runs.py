"""The live runs of this process, and those that ended a moment ago, by their threads."""

import asyncio
from collections import OrderedDict
from collections.abc import Collection
from typing import Final

from agent.runs.live_run import LiveRun

KEPT_SECONDS: Final = 60.0
"""How long the events of an ended run can be read: a reader that lost its connection returns for the end."""
_MOST_KEPT: Final = 200
_MOST_CHARACTERS: Final = 20_000_000
"""Of the events and the ends of all ended runs."""


class LiveRuns:
    """One run for each thread: the latest."""

    def __init__(
        self, *, kept_seconds: float = KEPT_SECONDS, most_characters: int = _MOST_CHARACTERS
    ) -> None:
        """Above `most_characters` of all events and ends, those of the runs that ended first are dropped."""
        self._kept_seconds = kept_seconds
        self._most_characters = most_characters
        self._latest: dict[tuple[str, str], LiveRun] = {}
        self._ended: OrderedDict[LiveRun, asyncio.TimerHandle] = OrderedDict()

    def add(self, run: LiveRun) -> None:
        """A run that has begun."""
        self._latest[run.owner, run.thread_id] = run
        run.task.add_done_callback(lambda _: self._run_ended(run))

    def latest(self, owner: str, thread_id: str) -> LiveRun | None:
        """The run of the thread, or the one that ended less than a minute ago."""
        return self._latest.get((owner, thread_id))

    def running(self, owner: str, thread_id: str) -> LiveRun | None:
        """The run of the thread that has not ended yet."""
        run = self.latest(owner, thread_id)
        return run if run is not None and run.outcome is None else None

    def ids(self) -> set[str]:
        """The ids of the runs that have not ended yet."""
        return {run.id for run in self._latest.values() if run.outcome is None}

    def unstored(self) -> set[str]:
        """The ids of the runs that ended less than a minute ago without storing it."""
        return {run.id for run in self._latest.values() if run.unstored and run.outcome is not None}

    def with_ids(self, ids: Collection[str]) -> list[LiveRun]:
        """The runs with these ids."""
        return [run for run in self._latest.values() if run.id in ids]

    def of_owner(self, owner: str) -> list[LiveRun]:
        """The runs of all threads of `owner`, and those that ended a moment ago."""
        return [run for run in self._latest.values() if run.owner == owner]

    def forget(self, owner: str, thread_id: str) -> None:
        """The events of an ended run, because its thread was deleted."""
        run = self.latest(owner, thread_id)
        if run is not None and run.outcome is not None:
            self._remove(run)

    def _run_ended(self, run: LiveRun) -> None:
        loop = asyncio.get_running_loop()
        self._ended[run] = loop.call_later(self._kept_seconds, self._remove, run)
        characters = sum(each.characters for each in self._ended)
        while len(self._ended) > _MOST_KEPT or (self._ended and characters > self._most_characters):
            oldest = next(iter(self._ended))
            characters -= oldest.characters
            self._remove(oldest)

    def _remove(self, run: LiveRun) -> None:
        if timer := self._ended.pop(run, None):
            timer.cancel()
        if self._latest.get((run.owner, run.thread_id)) is run:
            del self._latest[run.owner, run.thread_id]
