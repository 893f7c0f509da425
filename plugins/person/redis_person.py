"""A person's keys in Redis: the events of their latest runs, the places of runs, the count of a minute."""

import json
from collections.abc import AsyncIterator, Collection, Mapping
from dataclasses import dataclass
from typing import Any, Final

from agent.conversations.encryption.encryption import Encryption
from agent.conversations.thread import owner_digest
from agent.http.rate_limit import caller_digest, minute_key
from agent.redis import Redis, SharedRedis
from agent.runs.event_stream import ENTRY, StreamKeys
from agent.runs.event_writer import REFUSED_SECONDS
from agent.runs.run_limits import places_key
from identity.errors import ConfigurationError
from identity.principal import Principal

_SECONDS: Final = 30.0
"""For one exchange: an operator waits longer than a request."""


@dataclass(frozen=True, slots=True)
class RedisPerson:
    """One person in the Redis of an agent. Every method raises `RedisUnavailableError`."""

    redis: SharedRedis
    audience: str
    person: Principal

    @property
    def owner(self) -> str:
        """The digest of the person."""
        return owner_digest(self.person)

    async def streams(self) -> list[str]:
        """The names of the streams of events, each a part of a run: `{run}-{part}`."""
        names = await self._done("zrange", self._keys.streams, 0, -1)
        return [str(name, "ascii") for name in names]

    async def count(self) -> dict[str, int]:
        """How many keys of each kind there are. Marks of erased runs are none of a person's."""
        streams = await self.streams()
        kinds = {
            "streams": [self._keys.streams],
            "events": [self._keys.events(stream) for stream in streams],
            "latest": [self._keys.latest(run_id) for run_id in {*map(run_of, streams)}],
            "runs": [places_key(self.redis, self.person)],
            "minute": [minute_key(caller_digest(self.audience, self.person))],
        }

        async def existing(redis: Redis) -> Any:  # noqa: ANN401 - what Redis sends
            pipeline = redis.pipeline(transaction=False)
            for keys in kinds.values():
                pipeline.exists(*keys or [self.redis.name("check")])
            return await pipeline.execute()

        numbers = await self.redis.use(existing, _SECONDS)
        return dict(zip(kinds, numbers, strict=True))

    async def events(
        self, threads: Mapping[str, str], encryption: Encryption
    ) -> AsyncIterator[dict[str, Any]]:
        """The entries of the streams, opened. `threads` are the conversations of runs."""
        for stream in await self.streams():
            entries = await self._done("xrange", self._keys.events(stream))
            for entry_id, fields in entries:
                first = str(entry_id, "ascii").partition("-")[0]
                place = "events", self.owner, threads.get(run_of(stream), ""), stream, first
                try:
                    opened = json.loads(encryption.open(fields[ENTRY.encode()], *place))
                except (ConfigurationError, ValueError):
                    opened = None
                yield {"stream": stream, "entry": opened}

    async def erase(self, run_ids: Collection[str]) -> None:
        """Cancels the runs in progress, removes all keys, and refuses late events of `run_ids` and of runs
        that have a stream.
        """
        streams = await self.streams()
        runs = sorted({*run_ids, *map(run_of, streams)})

        async def erased(redis: Redis) -> None:
            pipeline = redis.pipeline(transaction=False)
            pipeline.publish(self.redis.name("cancellations"), json.dumps([self.owner, None, None]))
            for run_id in runs:  # from then on, no process adds to the streams that are removed below
                pipeline.set(self._keys.removed(run_id), 1, ex=REFUSED_SECONDS)
                pipeline.delete(self._keys.latest(run_id))
            for stream in streams:
                pipeline.delete(self._keys.events(stream))
            pipeline.delete(self._keys.streams, places_key(self.redis, self.person))
            pipeline.delete(minute_key(caller_digest(self.audience, self.person)))
            await pipeline.execute()

        await self.redis.use(erased, _SECONDS)

    async def _done(self, command: str, *arguments: str | int) -> Any:  # noqa: ANN401 - what Redis sends
        return await self.redis.use(lambda redis: getattr(redis, command)(*arguments), _SECONDS)

    @property
    def _keys(self) -> StreamKeys:
        return StreamKeys(self.redis, self.owner)


def run_of(stream: str) -> str:
    """The run of a stream."""
    return stream.rpartition("-")[0]
