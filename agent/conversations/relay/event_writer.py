"""Writes the events of this process's live runs to Redis, so that other processes can show them.

One exchange with Redis for all runs, at most ten in a second, and fewer if there are hundreds of runs: what
happens meanwhile is in the next one. A run never waits for it. While Redis is away, events stay in the replay
buffers of their runs, and are written later.
"""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import TYPE_CHECKING, Any, Final

from agent.conversations.encryption.encryption import Encryption
from agent.conversations.live.live_run import LiveRun
from agent.conversations.live.replay_buffer import size_of
from agent.conversations.relay.event_entry import EventEntry
from agent.conversations.relay.stream_keys import ENTRY, StreamKeys
from agent.replicas.shared_redis import RedisAwayError, SharedRedis
from agent.runs.run_end import Finished, Paused
from graph.events import AgentEvent

if TYPE_CHECKING:
    from redis.asyncio import Redis

PAUSE_SECONDS: Final = 0.1
"""Between two exchanges, and so the time by which a reader in another process is later."""
_RUNS_AT_ONCE: Final = 500
_PAUSE_PER_RUN: Final = 0.0005
"""An entry costs about 0.04 ms of processor time: of many runs, less than a tenth of a core in all."""
KEPT_SECONDS: Final = 600
"""How long a stream can be read after its last event. A run is shorter."""
MAX_BYTES: Final = 2_000_000
"""Of the entries of one run, about; above, the oldest half is dropped."""
_RENEWED_SECONDS: Final = 60.0
"""After how long the time for which a stream is kept begins anew."""
_ENTRY_CHARACTERS: Final = 100_000
_EXCHANGE_SECONDS: Final = 2.0
_RETRY_SECONDS: Final = 1.0
_ATTEMPTS_AFTER_END: Final = 60


class EventWriter:
    """Begins with the first run."""

    def __init__(
        self,
        redis: SharedRedis,
        encryption: Encryption,
        *,
        sleep: Callable[[float], Awaitable[object]] = asyncio.sleep,
        most_bytes: int = MAX_BYTES,
    ) -> None:
        self._redis = redis
        self._encryption = encryption
        self._sleep = sleep
        self._most_bytes = most_bytes
        self._streams: dict[LiveRun, _Stream] = {}
        self._changed: dict[LiveRun, _Stream] = {}
        self._written = 0
        """Runs in the last exchange."""
        self._wake = asyncio.Event()
        self._task: asyncio.Task[None] | None = None

    def begin(self, run: LiveRun) -> None:
        """A run that has begun."""
        self._streams[run] = _Stream(run, StreamKeys(self._redis, run.owner, run.thread_id))
        if self._task is None:
            self._task = asyncio.create_task(self._writes(), name="events of runs")
        self.note(run)

    def note(self, run: LiveRun) -> None:
        """There is an event of the run, or its end."""
        if (stream := self._streams.get(run)) is not None:
            self._changed[run] = stream
            self._wake.set()

    async def write(self) -> None:
        """Writes what has happened, of 500 runs at most. Raises `RedisAwayError`: it is written later."""
        changed = {run: self._changed.pop(run) for run in list(self._changed)[:_RUNS_AT_ONCE]}
        try:
            await self._redis.use(lambda redis: self._exchange(redis, changed), _EXCHANGE_SECONDS)
        except RedisAwayError:
            for run, stream in changed.items():
                stream.not_written()
                if stream.attempts > _ATTEMPTS_AFTER_END:
                    del self._streams[run]
                else:
                    self._changed[run] = stream
            raise
        except asyncio.CancelledError:  # it may be written already, which does no harm
            self._changed = changed | self._changed
            raise
        self._written = len(changed)
        if self._changed:
            self._wake.set()
        for run, stream in changed.items():
            if stream.is_complete:
                self._streams.pop(run, None)
            elif stream.lags:
                self.note(run)

    @property
    def pause(self) -> float:
        """Seconds until the next exchange: longer if the last one had very many runs."""
        return max(PAUSE_SECONDS, self._written * _PAUSE_PER_RUN)

    async def aclose(self) -> None:
        """Writes the rest. All runs have ended before."""
        if self._task is None:
            return
        self._task.cancel()
        await asyncio.wait([self._task])
        try:
            while self._changed:
                await self.write()
        except RedisAwayError:
            return

    async def _writes(self) -> None:
        while True:
            await self._wake.wait()
            await self._sleep(self.pause)
            self._wake.clear()
            try:
                await self.write()
            except RedisAwayError:
                self._wake.set()
                await self._sleep(_RETRY_SECONDS)

    async def _exchange(self, redis: "Redis", changed: "dict[LiveRun, _Stream]") -> None:
        pipeline = redis.pipeline(transaction=False)
        entries = [(stream, stream.next_entry()) for stream in changed.values()]
        for stream, entry in entries:
            if entry is not None:
                stream.add_commands(pipeline, entry, self._encryption, self._most_bytes)
        results = await pipeline.execute(raise_on_error=False)
        for result in results:
            # An entry that an interrupted exchange has written already is refused, because its id is not new.
            if isinstance(result, Exception) and "equal or smaller" not in str(result):
                raise result
        for stream, entry in entries:
            if entry is not None:
                stream.written(entry)


class _Stream:
    """What of one run is in Redis."""

    def __init__(self, run: LiveRun, keys: StreamKeys) -> None:
        self._run = run
        self._keys = keys
        self._part = f"{run.id}-{run.key}"
        self._position = 0
        self._sizes: Sequence[int] = ()
        """Of the entries that are kept."""
        self._next_sizes: Sequence[int] = ()
        self._renewed_at = float("-inf")
        self.is_complete = False
        self.attempts = 0
        """To write its end."""

    @property
    def lags(self) -> bool:
        """Whether there is more to write."""
        return not self.is_complete and (
            self._position < self._run.replay.newest or self._run.outcome is not None
        )

    def next_entry(self) -> EventEntry | None:
        """The events after those that are written, within the size of an entry, and the end if it follows."""
        run, replay = self._run, self._run.replay
        first = max(self._position + 1, replay.oldest)
        events: list[AgentEvent] = []
        characters, position = 0, first
        while position <= replay.newest and characters < _ENTRY_CHARACTERS:
            event = replay.at(position)
            position += 1
            if isinstance(event, Finished | Paused):
                break  # it is the outcome
            events.append(event)
            characters += size_of(event)
        end = run.outcome if position > replay.newest else None
        if not events and end is None:
            return None
        return EventEntry(run.id, sorted(run.announced), first, events, end)

    def add_commands(self, pipeline: Any, entry: EventEntry, encryption: Encryption, most: int) -> None:  # noqa: ANN401 - a pipeline of Redis
        """The commands that write `entry`: idempotent, because its position and length are its id."""
        key, place = self._keys.events(self._part), self._keys.place(self._part, entry.first)
        body = encryption.seal(entry.to_json(), place)
        sizes = [*self._sizes, len(body)]
        if sum(sizes) > most:
            sizes = sizes[len(sizes) // 2 :]
        self._next_sizes = sizes
        pipeline.xadd(key, {ENTRY: body}, id=entry.id, maxlen=len(sizes), approximate=False)
        now = asyncio.get_running_loop().time()
        if entry.end is not None or now > self._renewed_at + _RENEWED_SECONDS:
            self._renewed_at = now
            latest, is_first = self._keys.latest(None), self._position == 0
            pipeline.set(latest, self._part, ex=KEPT_SECONDS, nx=not is_first)
            pipeline.set(self._keys.latest(self._run.id), self._part, ex=KEPT_SECONDS)
            pipeline.sadd(self._keys.streams, f"{self._keys.thread_id} {self._part}")
            for kept in (key, latest, self._keys.streams):
                pipeline.expire(kept, KEPT_SECONDS)

    def not_written(self) -> None:
        """Redis failed, and may have lost what it had."""
        self._renewed_at = float("-inf")
        self.attempts += self._run.outcome is not None

    def written(self, entry: EventEntry) -> None:
        """Notes that `entry` is in Redis."""
        self._position, self._sizes = entry.first + len(entry.events) - 1, self._next_sizes
        self.is_complete = entry.end is not None
