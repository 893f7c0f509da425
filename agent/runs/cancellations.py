"""Ends a run in the process that executes it, at the request of another one."""

import asyncio
import json
import logging
from collections.abc import Awaitable, Callable
from contextlib import aclosing
from dataclasses import dataclass
from typing import Any, Final

from agent.redis import RedisUnavailableError, SharedRedis

_LOG: Final = logging.getLogger("idaas_agent.conversations")
_RETRY_SECONDS: Final = 2.0


@dataclass(frozen=True, slots=True)
class Cancellation:
    """Which run: of an owner, of a thread; with `None`, all runs of the owner."""

    owner: str
    thread_id: str | None = None
    run_id: str | None = None


class Cancellations:
    """A channel of Redis that all processes listen to. It has identifiers, and no content."""

    def __init__(
        self,
        redis: SharedRedis,
        cancel: Callable[[Cancellation], None],
        *,
        sleep: Callable[[float], Awaitable[object]] = asyncio.sleep,
    ) -> None:
        """`cancel` ends runs of this process, and does not wait for their end."""
        self._redis = redis
        self._cancel = cancel
        self._sleep = sleep
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Starts listening, once."""
        if self._task is None:
            self._task = asyncio.create_task(self._listen(), name="cancellations of runs")

    async def send(self, cancellation: Cancellation) -> bool:
        """Whether another process may have received it."""
        given = [cancellation.owner, cancellation.thread_id, cancellation.run_id]
        try:
            return (
                await self._redis.use(lambda redis: _published(redis, self._channel, json.dumps(given))) > 0
            )
        except RedisUnavailableError:
            return False

    async def aclose(self) -> None:
        """Stops listening."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.wait([self._task])

    @property
    def _channel(self) -> str:
        return self._redis.name("cancellations")

    async def _listen(self) -> None:
        while True:
            try:
                async with aclosing(self._redis.messages(self._channel)) as messages:
                    async for message in messages:
                        if message is not None:
                            self._received(message)
            except RedisUnavailableError:
                pass
            except Exception as error:  # noqa: BLE001 - else the task would end unnoticed
                _LOG.warning("cancellations are not received (%s)", type(error).__name__)
            await self._sleep(_RETRY_SECONDS)

    def _received(self, message: bytes) -> None:
        try:
            owner, thread_id, run_id = json.loads(message)
        except (ValueError, TypeError):
            return
        if isinstance(owner, str):
            self._cancel(Cancellation(owner, thread_id, run_id))


async def _published(redis: Any, channel: str, text: str) -> int:  # noqa: ANN401 - the client of Redis
    return int(await redis.publish(channel, text))
