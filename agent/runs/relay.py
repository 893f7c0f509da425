"""Shares the events of runs, and cancellations, between the processes of one agent."""

import asyncio
import contextlib
import json
import logging
import time
from collections.abc import Awaitable, Callable, Sequence
from contextlib import aclosing
from dataclasses import dataclass
from functools import partial
from typing import Final

from agent.background import Background
from agent.conversations.encryption.encryption import Encryption
from agent.conversations.owned_thread import ThreadOwner
from agent.conversations.thread import Thread
from agent.conversations.threads import ThreadStore
from agent.redis import Redis, RedisUnavailableError, SharedRedis
from agent.runs.event_stream import StreamKeys
from agent.runs.event_writer import ACCEPTED_SECONDS, REFUSED_SECONDS, EventWriter
from agent.runs.live_run import LiveRuns
from agent.runs.relayed_runs import RelayedRuns
from identity.errors import AgentError, ThreadNotFoundError

_ATTEMPTS: Final = 40
_PAUSE_SECONDS: Final = 0.05
_SECONDS: Final = 2.0
_RETRY_SECONDS: Final = 2.0
_AT_ONCE: Final = 500
"""Runs that one exchange with Redis removes."""
_LOG: Final = logging.getLogger("idaas_agent.conversations")
_LISTEN_AGAIN_SECONDS: Final = 2.0


@dataclass(slots=True)
class Cancellations(Background):
    """A channel of Redis that all processes listen to. It has identifiers, and no content."""

    redis: SharedRedis
    live: LiveRuns

    async def send(self, owner: ThreadOwner, thread_id: str | None = None, run_id: str | None = None) -> bool:
        """Cancels a run in another process, and does not wait for its end; with `None`, all of the
        owner, or of the thread. Whether another process may have received it.
        """
        try:
            channel = self._channel
            text = json.dumps([owner.digest, thread_id, run_id])
            return await self.redis.use(lambda redis: redis.publish(channel, text)) > 0
        except RedisUnavailableError:
            return False

    @property
    def _channel(self) -> str:
        return self.redis.name("cancellations")

    async def _work(self) -> None:
        while True:
            try:
                async with aclosing(self.redis.messages(self._channel)) as messages:
                    async for message in messages:
                        if message is not None:
                            self._received(message)
            except RedisUnavailableError:
                pass
            except Exception as error:  # noqa: BLE001 - else the task would end unnoticed
                _LOG.warning("cancellations are not received (%s)", type(error).__name__)
            await self.sleep(_LISTEN_AGAIN_SECONDS)

    def _received(self, message: bytes) -> None:
        try:
            digest, thread_id, run_id = json.loads(message)
        except (ValueError, TypeError):
            return
        for run in self.live.of_owner(digest):
            if thread_id in (None, run.thread_id) and run_id in (None, run.id):
                run.cancel()


class Relay:
    """The relay of one process. While Redis is away, readers follow what is stored, and a run that another
    process executes is ended in the store, where its process notices it within a few seconds.
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
        self._clock = clock
        self._sleep = sleep
        self._removals: set[asyncio.Task[None]] = set()
        self.writer: Final = EventWriter(redis, encryption, sleep=sleep)
        self.runs: Final = RelayedRuns(redis, encryption, threads, clock=clock, sleep=sleep)
        self.cancellations: Final = Cancellations(redis, live, sleep=sleep)

    async def cancel(self, owner: ThreadOwner, thread: Thread) -> bool:
        """Whether the run of the thread has been ended by the process that executes it, within two seconds.

        Raises what the store raises.
        """
        if thread.run_id is None or not await self.cancellations.send(owner, thread.id, thread.run_id):
            return False
        for _ in range(_ATTEMPTS):
            try:
                now = await self._threads.get(owner.thread(thread.id))
            except ThreadNotFoundError:
                return True
            if now.status != "running" or now.run_id != thread.run_id:
                return True
            await self._sleep(_PAUSE_SECONDS)
        return False

    async def forget(self, owner: ThreadOwner, thread_id: str | None = None) -> None:
        """Removes the events of a thread that was deleted; with `None`, of all the owner's deleted threads.
        Events that a process writes later are refused.

        While Redis or the store is away, this is done after their return, if this process still lives.
        """
        removal = asyncio.create_task(self._removal(owner, thread_id), name="removal of events")
        self._removals.add(removal)
        removal.add_done_callback(self._removals.discard)
        await asyncio.wait({removal}, timeout=_SECONDS)

    async def _removal(self, owner: ThreadOwner, thread_id: str | None) -> None:
        begun = self._clock()
        while self._clock() - begun < ACCEPTED_SECONDS:
            with contextlib.suppress(RedisUnavailableError, AgentError):
                runs = await self._threads.runs.of_deleted(owner, thread_id, begun - REFUSED_SECONDS)
                for first in range(0, len(runs), _AT_ONCE):
                    part = runs[first : first + _AT_ONCE]
                    await self._redis.use(partial(self._removed, owner, part), _SECONDS)
                return
            await self._sleep(_RETRY_SECONDS)

    async def _removed(self, owner: ThreadOwner, runs: Sequence[str], redis: Redis) -> None:
        keys = StreamKeys(self._redis, owner.digest)
        pipeline = redis.pipeline(transaction=False)
        for run_id in runs:  # from then on, no process adds to the streams that are removed below
            pipeline.set(keys.removed(run_id), 1, ex=REFUSED_SECONDS)
            pipeline.delete(keys.latest(run_id))
        pipeline.zrange(keys.streams, 0, -1)
        *_, streams = await pipeline.execute()
        parts = [str(stream, "ascii") for stream in streams]
        if removed := [part for part in parts if part.rpartition("-")[0] in set(runs)]:
            await redis.delete(*map(keys.events, removed))
            await redis.zrem(keys.streams, *removed)

    async def aclose(self) -> None:
        """Writes what is left. All runs have ended before."""
        for task in list(self._removals):
            task.cancel()
        await self.cancellations.aclose()
        await self.writer.aclose()
        await self.runs.aclose()
