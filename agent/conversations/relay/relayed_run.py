"""A run that another process executes, as its events arrive: readers follow it as they follow a live run."""

import asyncio
from collections.abc import Callable
from typing import Final

from agent.conversations.live.live_reader import LiveReader
from agent.conversations.live.live_run import Outcome
from agent.conversations.live.replay_buffer import ReplayBuffer
from agent.conversations.relay.event_entry import EventEntry
from agent.runs.run_end import Finished, Paused


class RelayedRun:
    """The events have the positions that they have in the process that executes the run."""

    def __init__(self, owner: str, thread_id: str, part: str, left: Callable[["RelayedRun"], None]) -> None:
        """`part` names the run and its part. `left` is called when the last reader has left."""
        self.owner: Final = owner
        self.thread_id: Final = thread_id
        self.part: Final = part
        self.id, _, self.key = part.rpartition("-")
        self.announced: frozenset[str] = frozenset()
        self.replay: Final = ReplayBuffer()
        self.outcome: Outcome | None = None
        self.end_position: int | None = None
        """See `FollowedRun`. `None` also of an end that was not relayed."""
        self.last_entry = "0"
        """The id of the last entry that was read."""
        self._left = left
        self._readers: set[_Reader] = set()
        self._changed = asyncio.Event()

    def add(self, entry: EventEntry) -> None:
        """The next entry. Events that are here already are left out; missing ones are lost."""
        self.announced = frozenset(entry.announced)
        if entry.first > self.replay.newest + 1:
            self.replay.skip(entry.first)
        known = self.replay.newest + 1 - entry.first
        for event in entry.events[known:]:
            self.replay.add(event)
        if entry.end is not None and self.outcome is None:
            self.end_position = entry.first + len(entry.events)
            self.end(entry.end)
        self.wake()

    def end(self, outcome: Outcome) -> None:
        """Ends the readers with `outcome`."""
        if isinstance(outcome, Finished | Paused):
            self.replay.add(outcome)
        self.outcome = outcome
        self.wake()

    def events(self, after: int = 0) -> LiveReader:
        """As `LiveRun.events`. `Paused` is without what waits, which its reader reads from the store."""
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

    async def changed(self) -> None:
        """See `FollowedRun`."""
        await self._changed.wait()

    def wake(self) -> None:
        """See `FollowedRun`."""
        changed, self._changed = self._changed, asyncio.Event()
        changed.set()


class _Reader(LiveReader):
    """Reports to its run that it leaves: a run without readers is not read from Redis."""

    def __init__(self, run: RelayedRun, after: int) -> None:
        super().__init__(run, after)
        self._relayed = run

    def close(self) -> None:
        super().close()
        self._relayed.leave(self)
