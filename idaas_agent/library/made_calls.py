"""The calls that were begun in this process: LangGraph runs a task again, whole, when it is resumed.

A call that was made before the pause, or is still being made, is not made again then: its result is the one
that it had. What is forgotten here is the result alone. A call that changes something, and whose result is
not known, may have taken effect, and is refused.
"""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Final, NamedTuple

from cachetools import LRUCache
from langchain_core.messages import ToolMessage


class KnownBy(NamedTuple):
    """A call, by what tells it from every other one."""

    thread_id: str
    run_id: str
    issuer: str
    subject: str
    origin: str
    """The message or the task that has the call (`Place.known_as`)."""
    call_id: str
    service: str
    tool: str
    arguments_digest: str


_BEGUN: Final = 100_000
"""Calls that change something whose beginning is known."""
_CHARACTERS: Final = 32 * 1024 * 1024
"""Characters of all results that are kept."""
_OF_EACH: Final = 512
"""Characters for which a result counts at least."""


def _size(result: ToolMessage) -> int:
    return _OF_EACH + len(result.content)


class MadeCalls:
    """For one process. A `BegunCalls`, too (`graph.call_steps.once`)."""

    def __init__(self) -> None:
        self._begun: LRUCache[str, bool] = LRUCache(_BEGUN)
        self._results: LRUCache[KnownBy, ToolMessage] = LRUCache(_CHARACTERS, getsizeof=_size)
        self._in_progress: dict[KnownBy, asyncio.Future[None]] = {}

    async def begin(self, call: str) -> bool:
        """See `BegunCalls`."""
        is_new = call not in self._begun
        self._begun[call] = True
        return is_new

    async def result_of(self, call: KnownBy, make: Callable[[], Awaitable[ToolMessage]]) -> ToolMessage:
        """The result that `call` has, or will have where it is being made; else that of `make`.

        An exception of `make` is no result: the next one makes the call.
        """
        while (known := self._results.get(call)) is None and self._is_made_here(call):
            await asyncio.wait([self._in_progress[call]])
        if known is not None:
            return known.model_copy(update={"id": None})
        ended = self._in_progress[call] = asyncio.get_running_loop().create_future()
        try:
            made = await make()
            if _size(made) <= _CHARACTERS:
                self._results[call] = made.model_copy()
            return made
        finally:
            if self._in_progress.get(call) is ended:
                del self._in_progress[call]
            if not ended.done():
                ended.set_result(None)

    async def end_of(self, run_id: str) -> None:
        """Waits for the calls of a run that are being made here."""
        made = [ended for call, ended in self._in_progress.items() if call.run_id == run_id]
        if made:
            await asyncio.wait(made)

    def _is_made_here(self, call: KnownBy) -> bool:
        """Whether a task of this event loop makes `call`. The tasks of a loop that was closed have ended."""
        ended = self._in_progress.get(call)
        return ended is not None and ended.get_loop() is asyncio.get_running_loop()
