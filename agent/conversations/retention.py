"""The end of conversations: those that were deleted, and those that were not changed for too long."""

import logging
from collections.abc import Awaitable, Callable
from dataclasses import KW_ONLY, dataclass
from typing import Final

from agent.background import Background
from agent.conversations.approval_rows import OF_PROGRAMS
from agent.conversations.database.database import Database, Transaction, query
from agent.conversations.grants import end_grants
from agent.conversations.thread import owner_digest
from graph.call_steps.once import BEGINNINGS

_LOG: Final = logging.getLogger("idaas_agent.conversations")
RESTORABLE_SECONDS: Final = 600.0
"""How long a deleted conversation can be restored at least."""
_ROUND_SECONDS: Final = 600.0
_AT_ONCE: Final = 100
_DAY_SECONDS: Final = 86_400.0
_OF_A_THREAD: Final = ("messages", "files", "terms", "drafts", "runs", "checkpoints")


@dataclass(slots=True)
class Retention(Background):
    """Purges conversations with all that belongs to them, for good, every ten minutes. Creates no database.

    `also` is called after each round. Several processes may do the same at the same time.
    """

    database: Database
    _: KW_ONLY
    days: float
    clock: Callable[[], float]
    also: Callable[[], Awaitable[object]]

    async def purge(self) -> int:
        """Deletes conversations for good when their time has come. Returns how many. Raises what the database
        raises.
        """
        now = self.clock()
        purged = 0
        while rows := await self.database.write(lambda: _purge(now, now - self.days * _DAY_SECONDS)):
            purged += rows
        await self.database.write(lambda: query("DELETE FROM grants WHERE ends_at < ?", now))
        ended = f"DELETE FROM approvals WHERE {OF_PROGRAMS} AND expires_at < ?"  # noqa: S608 - constants
        await self.database.write(lambda: query(ended, now - 7 * _DAY_SECONDS))
        begun = "DELETE FROM approvals WHERE owner = ? AND expires_at < ?"
        await self.database.write(lambda: query(begun, owner_digest(BEGINNINGS), now))
        if purged:
            await self.database.scrub()
            _LOG.info("%d conversations were purged", purged)
        return purged

    async def _work(self) -> None:
        while True:
            await self.sleep(_ROUND_SECONDS)
            await self._attempt(self._round(), "conversations were not purged")

    async def _round(self) -> None:
        if await self.database.exists():
            await self.purge()
            await self.also()


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
        for table in _OF_A_THREAD:
            yield from query(f"DELETE FROM {table} WHERE thread_key = ?", key)  # noqa: S608 - constants
        yield from query("DELETE FROM approvals WHERE owner = ? AND thread_id = ?", owner, thread_id)
        yield from end_grants(owner, thread_id)
    return len(rows)
