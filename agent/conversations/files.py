"""The files of conversations: images of people, and what tools return. Sealed and counted as messages."""

import uuid
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Final

from agent.conversations.database.database import Database, Statement, Transaction, query
from agent.conversations.encryption.encryption import Encryption
from agent.conversations.owned_thread import OwnedThread, RunKey
from agent.conversations.run_state import CHANGED, Change
from agent.conversations.storage_limits import ROW_BYTES, StorageLimits
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

    def added(self, change: Change, identifier: str, data: bytes) -> tuple[Change, Statement]:
        """`change` with the bytes of a file, and what stores it if a statement before made the change."""
        insertion = Statement(
            f"INSERT INTO files (thread_key, file_id, body) SELECT key, ?, ? FROM threads WHERE {CHANGED}",  # noqa: S608 - constants
            (identifier, self._sealed(change.run, identifier, data), *change.thread),
        )
        return replace(change, bytes=change.bytes + len(data) + ROW_BYTES), insertion

    async def keep(self, run: RunKey, data: bytes) -> str | None:
        """The id of a file of a run; `None` if it cannot be stored, or there is no room.

        It is no change of the thread (`Change`): other calls of the run may store their results meanwhile.
        """
        identifier = uuid.uuid4().hex
        size = len(data) + ROW_BYTES
        room = Statement(
            "UPDATE threads SET bytes = bytes + ?"
            " WHERE owner = ? AND id = ? AND run_id = ? AND status = 'running' RETURNING key",
            (size, *run.place),
        )
        sealed = self._sealed(run, identifier, data)

        def work() -> Transaction[bool]:
            yield from self.limits.check(run.thread, 0, size)
            [threads] = yield [room]
            for [key] in threads:
                yield from query(
                    "INSERT INTO files (thread_key, file_id, body) VALUES (?, ?, ?)", key, identifier, sealed
                )
            return bool(threads)

        try:
            return identifier if await self.database.write(work) else None
        except AgentError:
            return None

    def _sealed(self, run: RunKey, identifier: str, data: bytes) -> bytes:
        return self.encryption.seal(data, "file", *run.thread.place, identifier)

    async def read(self, thread: OwnedThread, ids: Sequence[str]) -> dict[str, bytes]:
        """The contents of the files `ids` that the thread has, by their ids."""
        sql = f"SELECT file_id, body{_OF_THREAD} AND file_id IN ({', '.join('?' * len(ids))})"
        rows = await self.database.read(lambda: query(sql, *thread.place, *ids))
        return {file_id: self.encryption.open(body, "file", *thread.place, file_id) for file_id, body in rows}

    async def ids(self, thread: OwnedThread) -> list[str]:
        """The ids of all files of the thread."""
        sql = f"SELECT file_id{_OF_THREAD}"
        return [file_id for [file_id] in await self.database.read(lambda: query(sql, *thread.place))]
