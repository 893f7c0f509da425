"""A run that another process executes, as its events arrive: readers follow it as they follow a live run."""

from collections.abc import Callable
from typing import Final

from agent.runs.event_entry import EventEntry
from agent.runs.followed_run import FollowedRun, LiveReader, Outcome
from agent.runs.run_end import Finished, Paused


class RelayedRun(FollowedRun):
    """The events have the positions that they have in the process that executes the run."""

    def __init__(self, owner: str, thread_id: str, part: str, left: Callable[["RelayedRun"], None]) -> None:
        """`part` names the run and its part. `left` is called when the last reader has left."""
        run_id, _, key = part.rpartition("-")
        super().__init__(run_id, key, thread_id=thread_id, owner=owner)
        self.part: Final = part
        self._end_position: int | None = None
        self.last_entry = "0"
        """The id of the last entry that was read."""
        self._left = left
        self._readers: set[_Reader] = set()

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
        """See `FollowedRun`. `None` also of an end that was not relayed."""
        return self._end_position

    @property
    def is_behind(self) -> bool:
        """See `FollowedRun`."""
        return True

    def events(self, after: int = 0) -> LiveReader:
        """See `FollowedRun`. `Paused` is without what waits, which its reader reads from the store."""
        reader = _Reader(self, after)
        self._readers.add(reader)
        return reader

    @property
    def has_readers(self) -> bool:
        """Whether one has not left yet."""
        return bool(self._readers)

    def leave(self, reader: "_Reader") -> None:
        """For readers: this one has left. Further calls do nothing."""
        if reader in self._readers:
            self._readers.remove(reader)
            if not self._readers:
                self._left(self)


class _Reader(LiveReader):
    """Reports to its run that it leaves: a run without readers is not read from Redis."""

    def __init__(self, run: RelayedRun, after: int) -> None:
        super().__init__(run, after)
        self._relayed = run

    def close(self) -> None:
        super().close()
        self._relayed.leave(self)
