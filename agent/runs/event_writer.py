"""Writes the events of this process's live runs to Redis, so that other processes can show them.

One exchange with Redis for all runs, at most ten in a second, and fewer if there are hundreds of runs: what
happens meanwhile is in the next one. A run never waits for it. While Redis is away, events stay in the replay
buffers of their runs, and are written later.

Redis itself decides whether it accepts an entry (`_WRITE`): none of a run whose events were removed, and none
of a run that began long ago. So a process that was stopped, for however long, cannot write the words of a
conversation that was deleted meanwhile.
"""

import asyncio
import hashlib
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import KW_ONLY, dataclass, field
from typing import Final

from agent.background import Background
from agent.conversations.encryption.encryption import Encryption
from agent.redis import Redis, RedisUnavailableError, SharedRedis
from agent.runs.event_stream import ENTRY, EventEntry, StreamKeys, place
from agent.runs.live_run import LiveRun
from agent.runs.run import End, size_of
from graph.events import AgentEvent

PAUSE_SECONDS: Final = 0.1
"""Between two exchanges, and so the time by which a reader in another process is later."""
_RUNS_AT_ONCE: Final = 500
_PAUSE_PER_RUN: Final = 0.0005
"""An entry costs about 0.04 ms of processor time: of many runs, less than a tenth of a core in all."""
KEPT_SECONDS: Final = 600
"""How long a stream can be read after its last event. A run is shorter."""
MAX_BYTES: Final = 2_000_000
"""The size of the entries of one run, about. Above it, the oldest half is dropped."""
ACCEPTED_SECONDS: Final = 5_400
"""How long after the beginning of a run its entries are accepted. A run takes an hour at most
(`RUN_TIMEOUT_SECONDS`); the rest is for a Redis that is away."""
REFUSED_SECONDS: Final = 7_200
"""How long the entries of a removed run are refused: until they are too old, also if clocks differ."""
_RENEWED_SECONDS: Final = 60.0
"""After how long the time for which a stream is kept begins anew."""
_ENTRY_CHARACTERS: Final = 100_000
_EXCHANGE_SECONDS: Final = 2.0
_RETRY_SECONDS: Final = 1.0
_ATTEMPTS_AFTER_END: Final = 60

_WRITE: Final = f"""
local now = tonumber(redis.call('TIME')[1])
if redis.call('EXISTS', KEYS[4]) == 1 or now > ARGV[1] + {ACCEPTED_SECONDS} then
  return 0
end
local added = redis.pcall('XADD', KEYS[1], 'MAXLEN', ARGV[2], ARGV[3], '{ENTRY}', ARGV[4])
if type(added) == 'table' and not string.find(added.err, 'equal or smaller', 1, true) then
  return added
end
if ARGV[5] == '1' then
  local known = redis.call('GET', KEYS[2])
  if not known or tonumber(string.match(known, '^%S+')) <= tonumber(ARGV[1]) then
    redis.call('SET', KEYS[2], ARGV[1] .. ' ' .. ARGV[6])
  end
  redis.call('ZADD', KEYS[3], now + {KEPT_SECONDS}, ARGV[6])
  redis.call('ZREMRANGEBYSCORE', KEYS[3], '-inf', now)
  for number = 1, 3 do
    redis.call('EXPIRE', KEYS[number], {KEPT_SECONDS})
  end
end
return 1
"""
"""Adds the entry ARGV[4] with the id ARGV[3] to the stream of ARGV[6], a part of a run that began at ARGV[1],
unless it is there: an exchange that was interrupted may have added it. Keeps ARGV[2] entries. With ARGV[5],
names the stream as the latest of its run, and renews the time for which all is kept. 0 if it is refused.
"""
_SHA: Final = hashlib.sha1(_WRITE.encode(), usedforsecurity=False).hexdigest()
"""The name under which Redis knows a script."""


@dataclass(slots=True)
class EventWriter(Background):
    """Begins with the first run."""

    redis: SharedRedis
    encryption: Encryption
    _: KW_ONLY
    most_bytes: int = MAX_BYTES
    _streams: "dict[LiveRun, _Stream]" = field(init=False, default_factory=dict)
    _changed: "dict[LiveRun, _Stream]" = field(init=False, default_factory=dict)
    _written: int = field(init=False, default=0)
    """Runs in the last exchange."""
    _wake: asyncio.Event = field(init=False, default_factory=asyncio.Event)

    def begin(self, run: LiveRun) -> None:
        """A run that has begun."""
        self._streams[run] = _Stream(run, StreamKeys(self.redis, run.owner))
        self.start()
        self.note(run)

    def note(self, run: LiveRun) -> None:
        """There is an event of the run, or its end."""
        if (stream := self._streams.get(run)) is not None:
            self._changed[run] = stream
            self._wake.set()

    async def write(self) -> None:
        """Writes the events of at most 500 runs. After `RedisUnavailableError` they are written later."""
        changed = {run: self._changed.pop(run) for run in list(self._changed)[:_RUNS_AT_ONCE]}
        try:
            await self.redis.use(lambda redis: self._exchange(redis, changed), _EXCHANGE_SECONDS)
        except RedisUnavailableError:
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
        await Background.aclose(self)  # `super()` has no class in a dataclass with slots
        with suppress(RedisUnavailableError):
            while self._changed:
                await self.write()

    async def _work(self) -> None:
        while True:
            await self._wake.wait()
            await self.sleep(self.pause)
            self._wake.clear()
            try:
                await self.write()
            except RedisUnavailableError:
                self._wake.set()
                await self.sleep(_RETRY_SECONDS)

    async def _exchange(self, redis: Redis, changed: "dict[LiveRun, _Stream]") -> None:
        entries: list[tuple[_Stream, EventEntry]] = []
        for stream in changed.values():
            entry = stream.next_entry()
            if entry:
                entries.append((stream, entry))
        if not entries:
            return
        pipeline = redis.pipeline(transaction=False)
        pipeline.script_load(_WRITE)
        for stream, entry in entries:
            keys, arguments = stream.command(entry, self.encryption, self.most_bytes)
            pipeline.evalsha(_SHA, len(keys), *keys, *arguments)
        _, *accepted = await pipeline.execute()
        for (stream, entry), is_accepted in zip(entries, accepted, strict=True):
            stream.written(entry, refused=not is_accepted)


class _Stream:
    """The write position of one run in Redis."""

    def __init__(self, run: LiveRun, keys: StreamKeys) -> None:
        self._run = run
        self._keys = keys
        self._position = 0
        self._sizes: Sequence[int] = ()
        """The sizes of the entries that are kept."""
        self._next_sizes: Sequence[int] = ()
        self._renewed_at = float("-inf")
        self.is_complete = False
        """There is nothing more to write: the run has ended, or Redis refuses its events."""
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
        run = self._run
        replay = self._run.replay
        first = max(self._position + 1, replay.oldest)
        events: list[AgentEvent] = []
        characters = 0
        position = first
        while position <= replay.newest and characters < _ENTRY_CHARACTERS:
            event = replay.at(position)
            position += 1
            if isinstance(event, End):
                break  # it is the outcome
            events.append(event)
            characters += size_of(event)
        end = run.outcome if position > replay.newest else None
        if not events and end is None:
            return None
        return EventEntry(run.id, sorted(run.announced), first, events, end)

    def command(
        self, entry: EventEntry, encryption: Encryption, most: int
    ) -> tuple[Sequence[str], Sequence[str | bytes | int | float]]:
        """Keys and arguments of the script that writes `entry`: idempotent, because its position and length
        are its id.
        """
        run = self._run
        keys = self._keys
        body = encryption.seal(entry.to_json(), *place(run, entry.first))
        sizes = [*self._sizes, len(body)]
        if sum(sizes) > most:
            sizes = sizes[len(sizes) // 2 :]
        self._next_sizes = sizes
        now = asyncio.get_running_loop().time()
        renew = entry.end is not None or now > self._renewed_at + _RENEWED_SECONDS
        if renew:
            self._renewed_at = now
        return (
            [keys.events(run.stream), keys.latest(run.id), keys.streams, keys.removed(run.id)],
            [run.created_at, len(sizes), entry.id, body, int(renew), run.stream],
        )

    def not_written(self) -> None:
        """Redis failed, and may have lost what it had."""
        self._renewed_at = float("-inf")
        self.attempts += self._run.outcome is not None

    def written(self, entry: EventEntry, *, refused: bool) -> None:
        """Notes that `entry` is in Redis, or that it refuses the events of the run."""
        self._position = entry.first + len(entry.events) - 1
        self._sizes = self._next_sizes
        self.is_complete = refused or entry.end is not None
