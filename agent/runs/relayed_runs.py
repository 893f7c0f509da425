"""Runs that other processes execute, whose events arrive from Redis. Readers follow them like live runs."""

import logging
import time
from collections.abc import Callable, Sequence
from dataclasses import KW_ONLY, dataclass, field
from typing import Any, Final

from agent.background import Background
from agent.conversations.encryption.encryption import Encryption
from agent.conversations.owned_thread import RunKey, ThreadOwner
from agent.conversations.thread import Thread
from agent.conversations.threads import ThreadStore
from agent.errors.error_codes import AgentCode
from agent.redis import RedisUnavailableError, SharedRedis
from agent.runs.event_stream import ENTRY, EventEntry, StreamKeys, place
from agent.runs.run import Cancelled, Outcome, Paused, Run, RunReader
from identity.errors import AgentError, LimitError, ThreadNotFoundError, UnavailableError

_LOG: Final = logging.getLogger("idaas_agent.conversations")
PAUSE_SECONDS: Final = 0.1
SILENT_ROUNDS: Final = 10
"""After so many rounds without an event of a run, the store of threads is asked whether it goes on. After as
many further ones it ends, if it has ended there: until then its last events may arrive."""
_RECENT_SECONDS: Final = 2.0
_ROUNDS: Final = 20
"""How many rounds the beginning of a run may be later here than in the store of threads."""
_AT_ONCE: Final = 100
"""Entries of one run in one round."""
_SECONDS: Final = 2.0


class RelayedRun(Run):
    """The events have the positions that they have in the process that executes the run."""

    is_behind = True

    def __init__(self, part: str, key: RunKey, left: Callable[["RelayedRun"], None]) -> None:
        """`left` is called when the last reader has left."""
        super().__init__(part, key)
        self._end_position: int | None = None
        self.last_entry = "0"
        """The id of the last entry that was read."""
        self.silent_rounds = 0
        """Since its last entry."""
        self.ended: Outcome | None = None
        """How it has ended in the database, while its end event is pending."""
        self._left = left
        self._readers = 0

    def add(self, entry: EventEntry) -> None:
        """The next entry. Events that are here already are left out; missing ones are lost."""
        self.announced = frozenset(entry.announced)
        if entry.first > self.replay.newest + 1:
            self.replay.skip(entry.first)
        past = self.replay.newest + 1 - entry.first
        for event in entry.events[past:]:
            self.replay.add(event)
        if entry.end is not None and self.outcome is None:
            self._end_position = entry.first + len(entry.events)
            self.conclude(entry.end)
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


@dataclass(slots=True)
class RelayedRuns(Background):
    """Reads the events of all followed runs by one command to Redis, ten times a second while there are
    readers.
    """

    redis: SharedRedis
    encryption: Encryption
    threads: ThreadStore
    _: KW_ONLY
    clock: Callable[[], float] = time.time
    _followed: set[RelayedRun] = field(init=False, default_factory=set)
    """Runs that have readers."""

    async def open(self, owner: ThreadOwner, thread: Thread) -> RelayedRun | None:
        """The latest run of the thread, with its events so far; `None` if Redis does not have it.

        It may begin later here than in the store of threads, which is waited for. It may end later, too.
        """
        recent = thread.status == "running" or self.clock() - thread.updated_at < _RECENT_SECONDS
        rounds = _ROUNDS if recent else 0
        for remaining in range(rounds, -1, -1):
            try:
                run = await self.redis.use(lambda redis: self._latest(redis, owner, thread), _SECONDS)
            except RedisUnavailableError:
                return None
            # If the thread does not wait, the run that waited has gone on, and this is its earlier part.
            if run is not None and (thread.status == "paused" or not isinstance(run.outcome, Paused)):
                return run
            if remaining:
                await self.sleep(PAUSE_SECONDS)
        return None

    def follow(self, run: RelayedRun) -> None:
        """Adds further events to `run`, which `open` has returned just now, while it has readers."""
        if run.outcome is None:
            self._followed.add(run)
            self.start()

    def left(self, run: RelayedRun) -> None:
        """The run has no readers any more."""
        self._followed.discard(run)

    async def round(self) -> None:
        """Reads what is new of all runs. Raises `RedisUnavailableError`."""
        runs = {StreamKeys(self.redis, run.owner).events(run.stream): run for run in self._followed}
        positions: dict[Any, Any] = {key: run.last_entry for key, run in runs.items()}
        for run in self._followed:
            run.silent_rounds += 1
        answer = await self.redis.use(lambda redis: redis.xread(positions, count=_AT_ONCE), _SECONDS)
        for key, entries in _pairs(answer):
            self._add(runs[key.decode()], entries)

    async def _work(self) -> None:
        while self._followed:
            await self.sleep(PAUSE_SECONDS)
            try:
                if self._followed:
                    await self.round()
            except RedisUnavailableError:
                pass
            except Exception as error:  # noqa: BLE001 - else the readers would wait for ever
                _LOG.warning("relayed events could not be read (%s)", type(error).__name__)
            await self._end_silent()
            for run in [run for run in self._followed if run.outcome is not None]:
                self.left(run)

    async def _end_silent(self) -> None:
        """Ends runs that have ended without an event: their process was killed, or Redis has lost it."""
        for run in list(self._followed):
            if run.outcome is not None or not run.silent_rounds or run.silent_rounds % SILENT_ROUNDS:
                continue
            if run.ended is not None:
                run.conclude(run.ended)
                run.wake()
            else:
                run.ended = await self._end(run)

    async def _end(self, run: RelayedRun) -> Outcome | None:
        """How the run has ended in the database; `None` if it goes on there, or the database is away."""
        try:
            thread = await self.threads.get(run.key.thread)
        except ThreadNotFoundError:
            return Cancelled()
        except AgentError:
            return None
        if thread.run_id == run.id and thread.status == "running":
            return None
        if thread.run_id == run.id and thread.status in ("interrupted", "failed"):
            return UnavailableError(AgentCode.RUN_INTERRUPTED, f"the thread is {thread.status}")
        return LimitError(AgentCode.EVENTS_LOST, "the end of the run was not relayed")

    async def _latest(self, redis: Any, owner: ThreadOwner, thread: Thread) -> RelayedRun | None:  # noqa: ANN401 - the client of Redis
        if thread.run_id is None:
            return None
        keys = StreamKeys(self.redis, owner.digest)
        latest = await redis.get(keys.latest(thread.run_id))
        if latest is None:
            return None
        part = str(latest, "ascii", "replace").rpartition("-")[2]
        run = RelayedRun(part, RunKey(owner.thread(thread.id), thread.run_id), self.left)
        followed = self._same(run)
        if followed is not None:
            return followed
        self._add(run, await redis.xrange(keys.events(run.stream)))
        followed = self._same(run)
        if followed is not None:  # opened meanwhile
            return followed
        return run if run.replay.newest or run.outcome is not None else None

    def _same(self, run: RelayedRun) -> RelayedRun | None:
        for followed in self._followed:
            if (followed.key, followed.part) == (run.key, run.part):
                return followed
        return None

    def _add(self, run: RelayedRun, entries: Sequence[tuple[bytes, dict[bytes, bytes]]]) -> None:
        run.silent_rounds = 0
        run.ended = None
        for entry_id, fields in entries:
            run.last_entry = entry_id.decode()
            first = int(run.last_entry.partition("-")[0])
            try:
                body = self.encryption.open(fields[ENTRY.encode()], *place(run, first))
                entry = EventEntry.from_json(body)
            except (AgentError, ValueError, KeyError) as error:
                _LOG.warning("an entry of a stream of events cannot be read (%s)", type(error).__name__)
                continue
            if entry.run_id == run.id and entry.first == first:
                run.add(entry)


def _pairs(answer: Any) -> Sequence[tuple[bytes, Any]]:  # noqa: ANN401 - what XREAD returns in both protocols
    return list(answer.items()) if isinstance(answer, dict) else list(answer or ())
