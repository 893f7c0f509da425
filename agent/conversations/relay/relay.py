"""What the processes of one agent share of runs: events, and cancellations."""

import asyncio
import contextlib
import time
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Final, cast

from agent.conversations.encryption.encryption import Encryption
from agent.conversations.live.live_runs import LiveRuns
from agent.conversations.relay.cancellations import Cancellation, Cancellations
from agent.conversations.relay.event_writer import EventWriter
from agent.conversations.relay.relayed_runs import RelayedRuns
from agent.conversations.relay.stream_keys import StreamKeys
from agent.conversations.store.thread import Thread
from agent.conversations.store.threads import ThreadStore
from agent.replicas.shared_redis import RedisAwayError, SharedRedis
from identity.errors import ThreadNotFoundError

if TYPE_CHECKING:
    from redis.asyncio import Redis

_ATTEMPTS: Final = 40
_PAUSE_SECONDS: Final = 0.05
_LAST_EVENTS_SECONDS: Final = 2.0
_SECONDS: Final = 2.0


class Relay:
    """Of one process. While Redis is away, readers follow what is stored, and a run that another process
    executes is ended in the store, where its process notices it within a few seconds.
    """

    def __init__(
        self,
        redis: SharedRedis,
        encryption: Encryption,
        threads: ThreadStore,
        live: LiveRuns,
        *,
        clock: Callable[[], float] = time.time,
        sleep: Callable[[float], Awaitable[object]] = asyncio.sleep,
    ) -> None:
        self._redis = redis
        self._threads = threads
        self._live = live
        self._sleep = sleep
        self._removals: set[asyncio.Task[None]] = set()
        self.writer: Final = EventWriter(redis, encryption, sleep=sleep)
        self.runs: Final = RelayedRuns(redis, encryption, threads, clock=clock, sleep=sleep)
        self.cancellations: Final = Cancellations(redis, self._cancel, sleep=sleep)

    async def cancel(self, owner: str, thread: Thread) -> bool:
        """Whether the run of the thread has been ended by the process that executes it, within two seconds.

        Raises what the store raises.
        """
        if thread.run_id is None or not await self.cancellations.send(
            Cancellation(owner, thread.id, thread.run_id)
        ):
            return False
        for _ in range(_ATTEMPTS):
            try:
                now = await self._threads.get(owner, thread.id)
            except ThreadNotFoundError:
                return True
            if now.status != "running" or now.run_id != thread.run_id:
                return True
            await self._sleep(_PAUSE_SECONDS)
        return False

    async def cancel_all(self, owner: str) -> None:
        """Ends all runs of `owner` in other processes; does not wait for their end."""
        await self.cancellations.send(Cancellation(owner))

    async def forget(self, owner: str, thread_id: str | None = None) -> None:
        """Removes the events of the thread; with `None`, of all the owner's threads.

        A run that has just been ended may write its last ones after that: they are removed two seconds later.
        While Redis is away, events end by themselves.
        """
        await self._forget(owner, thread_id)
        task = asyncio.create_task(self._forget_again(owner, thread_id), name="removal of events")
        self._removals.add(task)
        task.add_done_callback(self._removals.discard)

    async def _forget_again(self, owner: str, thread_id: str | None) -> None:
        await self._sleep(_LAST_EVENTS_SECONDS)
        await self._forget(owner, thread_id)

    async def _forget(self, owner: str, thread_id: str | None) -> None:
        with contextlib.suppress(RedisAwayError):
            await self._redis.use(lambda redis: self._removed(redis, owner, thread_id), _SECONDS)

    async def _removed(self, redis: "Redis", owner: str, thread_id: str | None) -> None:
        streams = StreamKeys(self._redis, owner, "").streams
        found = await cast(Awaitable[set[bytes]], redis.smembers(streams))
        for stream in found:
            named, _, part = str(stream, "ascii").partition(" ")
            if thread_id in (None, named):
                keys = StreamKeys(self._redis, owner, named)
                await redis.delete(*keys.of_stream(part))
                await redis.srem(streams, stream)

    async def aclose(self) -> None:
        """Writes what is left. All runs have ended before."""
        for task in list(self._removals):
            task.cancel()
        await self.cancellations.aclose()
        await self.writer.aclose()
        await self.runs.aclose()

    def _cancel(self, cancellation: Cancellation) -> None:
        for run in self._live.of_owner(cancellation.owner):
            if cancellation.thread_id in (None, run.thread_id) and cancellation.run_id in (None, run.id):
                run.cancel()
