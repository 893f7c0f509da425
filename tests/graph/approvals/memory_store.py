"""The store of approvals, with a database in memory."""

import sqlite3
from collections.abc import Callable
from typing import TypeVar

from agent.conversations.approvals import SqlApprovalStore
from agent.conversations.database.database import Transaction
from agent.conversations.database.schema import SQLITE_TYPES, migrations
from agent.conversations.database.sqlite_database import _driven
from agent.conversations.encryption.encryption import Encryption

T = TypeVar("T")


class MemoryDatabase:
    """A `Database` that ends with the process. No method awaits, so each is atomic in an event loop."""

    def __init__(self) -> None:
        self._connection = sqlite3.connect(":memory:", isolation_level=None, check_same_thread=False)
        for statement in migrations(0, SQLITE_TYPES):
            self._connection.execute(statement)

    async def write(self, work: Callable[[], Transaction[T]], *, durable: bool = False) -> T:  # noqa: ARG002
        self._connection.execute("BEGIN")
        try:
            result = _driven(self._connection, work())
        except BaseException:
            self._connection.execute("ROLLBACK")
            raise
        self._connection.execute("COMMIT")
        return result

    read = write


def memory_approvals() -> SqlApprovalStore:
    return SqlApprovalStore(MemoryDatabase(), Encryption())  # type: ignore[arg-type]  # as much as it uses
