"""A run that another process executes, as its events arrive: readers follow it as they follow a live run."""

from collections.abc import Callable
from typing import Final

from agent.runs.event_entry import EventEntry
from agent.runs.run import Finished, Outcome, Paused, Run, RunReader


class RelayedRun(Run):
    """The events have the positions that they have in the process that executes the run."""

    is_behind = True

    def __init__(self, owner: str, thread_id: str, part: str, left: Callable[["RelayedRun"], None]) -> None:
        """`part` names the run and its part. `left` is called when the last reader has left."""
        run_id, _, key = part.rpartition("-")
        super().__init__(run_id, key, thread_id=thread_id, owner=owner)
        self.part: Final = part
        self._end_position: int | None = None
        self.last_entry = "0"
        """The id of the last entry that was read."""
        self._left = left
        self._readers = 0

    def add(self, entry: EventEntry) -> None:
        """The next entry. Events that are here already are left out; missing ones are lost."""
        self.announced = frozenset(entry.announced)
        if entry.first > self.replay.newest + 1:
            self.replay.skip(entry.first)
        known = self.replay.newest + 1 - entry.first
        for event in entry.events[known:]:
            self.replay.add(event)
        if entry.end is not None and self.outcome is None:
            self._end_position = entry.first + len(entry.events)
            self.end(entry.end)
        self.wake()

    def end(self, outcome: Outcome) -> None:
        """Ends the readers with `outcome`."""
        if isinstance(outcome, Finished | Paused):
            self.replay.add(outcome)
        self.outcome = outcome
        self.wake()

    @property
    def end_position(self) -> int | None:
        """See `Run`. `None` also for an end that was not relayed."""
        return self._end_position

    def events(self, after: int = 0, *, keep: bool = True) -> RunReader:
        """See `Run`. `Paused` is without what waits, which its reader reads from the store."""
        self._readers += 1
        return super().events(after, keep=keep)

    def left(self, reader: RunReader) -> None:  # noqa: ARG002 - the base's signature
        """See `Run`. A run without readers is not read from Redis."""
        self._readers -= 1
        if not self._readers:
            self._left(self)
