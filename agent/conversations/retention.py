"""The end of conversations: those that were deleted, and those that were not changed for too long."""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from typing import Final

from agent.conversations.database.database import ConversationDatabase, Rows, Transaction, query
from agent.conversations.grants import end_grants
from identity.errors import AgentError

_LOG: Final = logging.getLogger("idaas_agent.conversations")
RESTORABLE_SECONDS: Final = 600.0
"""How long a deleted conversation can be restored at least."""
_ROUND_SECONDS: Final = 600.0
_AT_ONCE: Final = 100
_DAY_SECONDS: Final = 86_400.0


class Retention:
    """Purges conversations with all that belongs to them, for good, every ten minutes.

    `also` is called after each round. Several processes may do the same at the same time.
    """

    def __init__(
        self,
        database: ConversationDatabase,
        *,
        days: float,
        clock: Callable[[], float],
        also: Callable[[], Awaitable[object]],
        sleep: Callable[[float], Awaitable[object]] = asyncio.sleep,
    ) -> None:
        self._database = database
        self._seconds = days * _DAY_SECONDS
        self._clock = clock
        self._also = also
        self._sleep = sleep
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Starts the rounds, the first after ten minutes. They create no database."""
        self._task = asyncio.create_task(self._rounds(), name="retention of conversations")

    async def aclose(self) -> None:
        """Stops the rounds."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.wait([self._task])

    async def purge(self) -> int:
        """Deletes conversations for good when their time has come. Returns how many. Raises what the database
        raises.
        """
        now, purged = self._clock(), 0
        while found := await self._database.write(lambda: _purge(now, now - self._seconds)):
            purged += found
        await self._database.write(_purge_checkpoints)
        await self._database.write(lambda: query("DELETE FROM grants WHERE ends_at < ?", now))
        ended = "DELETE FROM approvals WHERE prepared_by IS NOT NULL AND expires_at < ?"
        await self._database.write(lambda: query(ended, now - 7 * _DAY_SECONDS))
        if purged:
            await self._database.scrub()
            _LOG.info("%d conversations were purged", purged)
        return purged

    async def _rounds(self) -> None:
        while True:
            await self._sleep(_ROUND_SECONDS)
            try:
                if await self._database.exists():
                    await self.purge()
                    await self._also()
            except AgentError as error:
                _LOG.warning("conversations were not purged: %s", error.detail)
            except Exception as error:  # noqa: BLE001 - else the task would end unnoticed
                _LOG.error("conversations were not purged (%s)", type(error).__name__)


def _purge(now: float, unchanged_since: float) -> Transaction[int]:
    """Purges some conversations. Returns how many."""
    condition = "deleted_at < ? OR (updated_at < ? AND status <> 'running')"
    values = now - RESTORABLE_SECONDS, unchanged_since
    # The condition is repeated: a thread may be restored or continued before its row is locked.
    rows = yield from query(
        f"DELETE FROM threads WHERE key IN (SELECT key FROM threads WHERE {condition} LIMIT {_AT_ONCE})"  # noqa: S608 - constants
        f" AND ({condition}) RETURNING key, owner, id",
        *values,
        *values,
    )
    for key, owner, thread_id in rows:
        yield from query("DELETE FROM messages WHERE thread_key = ?", key)
        yield from query("DELETE FROM files WHERE thread_key = ?", key)
        yield from query("DELETE FROM terms WHERE thread_key = ?", key)
        yield from query("DELETE FROM drafts WHERE thread_key = ?", key)
        yield from query("DELETE FROM runs WHERE thread_key = ?", key)
        yield from query("DELETE FROM checkpoints WHERE thread_key = ?", key)
        yield from query("DELETE FROM approvals WHERE owner = ? AND thread_id = ?", owner, thread_id)
        yield from end_grants(owner, thread_id)
    return len(rows)


def _purge_checkpoints() -> Transaction[Rows]:
    """Deletes checkpoints of ended runs that could not be deleted then."""
    return (
        yield from query(
            "DELETE FROM checkpoints WHERE NOT EXISTS (SELECT 1 FROM threads WHERE threads.key = thread_key"
            " AND threads.run_id = checkpoints.run_id AND threads.status <> 'idle')"
        )
    )
