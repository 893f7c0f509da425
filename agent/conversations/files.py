"""The files of conversations: images of people, and what tools return. Sealed and counted as messages."""

import uuid
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Final

from agent.conversations.database.database import Database, Statement, Transaction, query
from agent.conversations.encryption.encryption import Encryption
from agent.conversations.run_state import CHANGED, Change, advance
from agent.conversations.storage_limits import ROW_BYTES, StorageLimits
from agent.conversations.thread import RunKey
from identity.errors import AgentError

_OF_THREAD: Final = (
    " FROM files JOIN threads ON threads.key = thread_key WHERE owner = ? AND id = ? AND deleted_at IS NULL"
)


@dataclass(frozen=True, slots=True)
class FileStore:
    """Reads and keeps files. A thread that the owner does not have, has none."""

    database: Database
    encryption: Encryption
    limits: StorageLimits
    clock: Callable[[], float]

    def added(self, change: Change, identifier: str, data: bytes) -> tuple[Change, Statement]:
        """`change` with the bytes of a file, and what stores it if a statement before made the change."""
        owner, thread_id, _ = change.run
        sealed = self.encryption.seal(data, "file", owner, thread_id, identifier)
        insertion = Statement(
            f"INSERT INTO files (thread_key, file_id, body) SELECT key, ?, ? FROM threads WHERE {CHANGED}",  # noqa: S608 - constants
            (identifier, sealed, *change.thread),
        )
        return replace(change, bytes=change.bytes + len(data) + ROW_BYTES), insertion

    async def keep(self, run: RunKey, data: bytes) -> str | None:
        """The id of a file of a run; `None` if it cannot be stored, or there is no room."""
        identifier = uuid.uuid4().hex
        change, insertion = self.added(Change(run, self.clock()), identifier, data)

        def work() -> Transaction[bool]:
            yield from self.limits.check(run.owner, run.thread_id, 0, change.bytes)
            advanced, _ = yield [advance(change), insertion]
            return bool(advanced)

        try:
            return identifier if await self.database.write(work) else None
        except AgentError:
            return None

    async def read(self, owner: str, thread_id: str, ids: Sequence[str]) -> dict[str, bytes]:
        """Those of `ids` that the thread has."""
        sql = f"SELECT file_id, body{_OF_THREAD} AND file_id IN ({', '.join('?' * len(ids))})"
        rows = await self.database.read(lambda: query(sql, owner, thread_id, *ids))
        return {each: self.encryption.open(body, "file", owner, thread_id, each) for each, body in rows}

    async def ids(self, owner: str, thread_id: str) -> list[str]:
        """Those of all files of the thread."""
        sql = f"SELECT file_id{_OF_THREAD}"
        return [each for [each] in await self.database.read(lambda: query(sql, owner, thread_id))]
