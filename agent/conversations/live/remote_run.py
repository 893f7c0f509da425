"""A run that another process executes, followed by what it stores."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Final, Self

from agent.conversations.store.thread import Thread
from agent.conversations.store.threads import ThreadStore
from identity.errors import AgentError

POLL_SECONDS: Final = 1.0


class RemoteReader:
    """An async iterator of the thread, each time it has changed. Ends after the end of its run."""

    def __init__(
        self,
        threads: ThreadStore,
        owner: str,
        thread_id: str,
        *,
        sleep: Callable[[float], Awaitable[object]] = asyncio.sleep,
    ) -> None:
        self._threads = threads
        self._owner = owner
        self._thread_id = thread_id
        self._sleep = sleep
        self._seen: Thread | None = None
        self._error: AgentError | None = None
        self._closed = False

    def close(self) -> None:
        """Ends this reader at its next look at the thread."""
        self._closed = True

    def end(self, error: AgentError) -> None:
        """Raises `error` at the next look at the thread."""
        self._error = error

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> Thread:
        while self._seen is None or self._seen.status == "running":
            if self._seen is not None:
                await self._sleep(POLL_SECONDS)
            if self._error is not None:
                raise self._error
            if self._closed:
                break
            thread = await self._threads.get(self._owner, self._thread_id)
            if thread != self._seen:
                self._seen = thread
                return thread
        raise StopAsyncIteration
