"""The answers that this process stored a moment ago, for a database that loses them.

PostgreSQL may fail over to a standby that lacks the last moments. A run that ended just before is then in
progress again, and nobody executes it. Kept of it are its messages alone, sealed as they are stored: no
context, no access token.
"""

import asyncio
import logging
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from langchain_core.messages import AnyMessage

from agent.conversations.owned_thread import OwnedThread, RunKey, ThreadOwner
from agent.conversations.storage_limits import ROW_BYTES
from agent.conversations.threads import ThreadStore
from identity.errors import UnavailableError

_LOG: Final = logging.getLogger("idaas_agent.conversations")
_KEPT_SECONDS: Final = 60.0
_MOST_BYTES: Final = 16 * 1_048_576


@dataclass(frozen=True, slots=True)
class _StoredEnd:
    run: RunKey
    sealed: bytes
    timer: asyncio.TimerHandle

    @property
    def bytes(self) -> int:
        return len(self.sealed) + ROW_BYTES


class StoredEnds:
    """The end of the latest run of each thread, for a minute, if it has finished. Above `most_bytes` of all,
    the oldest are dropped.
    """

    def __init__(self, threads: ThreadStore, process_id: str, *, most_bytes: int = _MOST_BYTES) -> None:
        self._threads = threads
        self._process_id = process_id
        self._most_bytes = most_bytes
        self._bytes = 0
        self._kept: dict[OwnedThread, _StoredEnd] = {}
        """By thread, the oldest first."""

    def keep(self, run: RunKey, messages: Sequence[AnyMessage], read: Mapping[str, str]) -> None:
        """The run has finished, and is stored with `messages`, which are all of its own, and the labels of
        what the conversation has `read`.
        """
        self.forget(run.thread)
        sealed = self._threads.sealed_end(run, messages, read)
        timer = asyncio.get_running_loop().call_later(_KEPT_SECONDS, self.forget, run.thread)
        self._kept[run.thread] = end = _StoredEnd(run, sealed, timer)
        self._bytes += end.bytes
        while self._bytes > self._most_bytes:
            self.forget(next(iter(self._kept)))

    def forget(self, thread: OwnedThread) -> None:
        """The end in a thread that was deleted, or has another run."""
        if (end := self._kept.pop(thread, None)) is not None:
            self._bytes -= end.bytes
            end.timer.cancel()

    def forget_all(self, owner: ThreadOwner) -> None:
        """The ends in all threads of `owner`."""
        for thread in [thread for thread in self._kept if thread.owner == owner]:
            self.forget(thread)

    def ids(self) -> set[str]:
        """The ids of the runs whose ends can be stored again."""
        return {end.run.run_id for end in self._kept.values()}

    async def store_lost(self, in_progress: Collection[str]) -> None:
        """Stores the ends of the runs again that are `in_progress` in the database, by their ids. Raises
        `UnavailableError` if it is away.
        """
        for end in [end for end in self._kept.values() if end.run.run_id in in_progress]:
            _LOG.warning("the database has lost the end of a run: it is stored again")
            try:
                await self._store_again(end)
            except UnavailableError:
                raise
            except Exception as error:  # noqa: BLE001 - one run must not keep others from being stored
                _LOG.warning("the end of a run cannot be stored again (%s)", type(error).__name__)
                self.forget(end.run.thread)

    async def _store_again(self, end: _StoredEnd) -> None:
        threads = self._threads
        run = end.run
        messages, read = threads.opened_end(run, end.sealed)
        thread = await threads.get(run.thread)
        missing = await threads.missing(run, messages)
        after = thread.change
        here = self._process_id
        await threads.end_run(run, "idle", missing, read=read, after=after, process_id=here)
