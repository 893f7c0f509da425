"""How much a conversation and a user may store. Judged by the statement that begins a run, or opens a thread.

A thread counts what is added to it (`threads.bytes`): rows, bodies, and the terms by which they are found.
What is deleted counts no more, so that its user can go on; but with what can still be restored, a user has at
most twice the limit.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final, TypeAlias

from agent.conversations.database.database import Transaction, Value, query
from agent.conversations.owned_thread import OwnedThread
from agent.errors.error_codes import AgentCode
from identity.errors import StorageLimitError

ROW_BYTES: Final = 300
"""The bytes of a row of a thread, a run or a message, beside its body."""

Condition: TypeAlias = tuple[str, tuple[Value, ...]]
"""Further conditions in SQL, with their values."""

_THREADS: Final = "COUNT(*) - COUNT(deleted_at)"
_BYTES: Final = "COALESCE(SUM(CASE WHEN deleted_at IS NULL THEN bytes ELSE 0 END), 0)"
_ALL_BYTES: Final = "COALESCE(SUM(bytes), 0)"


@dataclass(frozen=True, slots=True)
class StorageLimits:
    """The limits of one thread, and of all threads of one user. 0 is no limit."""

    thread_bytes: int = 0
    thread_messages: int = 0
    user_bytes: int = 0
    user_threads: int = 0

    def of_thread(self, messages: int, size: int) -> Condition:
        """That a row of `threads` has room for `messages`, of `size` bytes."""
        return _joined([("last_seq", messages, self.thread_messages), ("bytes", size, self.thread_bytes)])

    def of_user(self, owner: str, size: int, *, threads: int) -> Condition:
        """That the user has room for `size` bytes, and for `threads` more."""
        most_threads = self.user_threads if threads else 0
        size += threads * ROW_BYTES
        text, values = _joined(
            [
                (_THREADS, threads, most_threads),
                ("COUNT(*)", threads, 2 * most_threads),
                (_BYTES, size, self.user_bytes),
                (_ALL_BYTES, size, 2 * self.user_bytes),
            ]
        )
        return (
            (f" AND (SELECT {text[5:]} FROM threads WHERE owner = ?)", (*values, owner)) if text else ("", ())  # noqa: S608 - constants
        )

    def check(self, thread: OwnedThread, messages: int, size: int) -> Transaction[None]:
        """Raises `StorageLimitError` if the thread, or a new one, with `messages` more, of `size` bytes,
        exceeds a limit.
        """
        threads = yield from query(
            "SELECT last_seq, bytes FROM threads WHERE owner = ? AND id = ?", *thread.place
        )
        for stored_messages, stored_bytes in threads:
            if 0 < self.thread_messages < stored_messages + messages:
                raise _full(AgentCode.CONVERSATION_FULL, self.thread_messages, "messages")
            if 0 < self.thread_bytes < stored_bytes + size:
                raise _full(AgentCode.CONVERSATION_FULL, self.thread_bytes, "bytes")
        if not threads:
            size += ROW_BYTES
        [(number, size_of_live, number_of_all, size_of_all)] = yield from query(
            f"SELECT {_THREADS}, {_BYTES}, COUNT(*), {_ALL_BYTES} FROM threads WHERE owner = ?",  # noqa: S608 - constants
            thread.owner.digest,
        )
        if not threads and 0 < self.user_threads < max(number + 1, (number_of_all + 1) / 2):
            raise _full(AgentCode.STORAGE_FULL, self.user_threads, "conversations")
        if 0 < self.user_bytes < max(size_of_live + size, (size_of_all + size) / 2):
            raise _full(AgentCode.STORAGE_FULL, self.user_bytes, "bytes")


UNLIMITED: Final = StorageLimits()


def _joined(limits: Iterable[tuple[str, int, int]]) -> Condition:
    """A column, what is added to it, and the most that it may be, of each limit; 0 is no limit."""
    sql = ""
    values: list[Value] = []
    for column, added, most in limits:
        if most:
            sql += f" AND {column} + ? <= ?"
            values += [added, most]
    return sql, tuple(values)


def _full(code: AgentCode, most: int, unit: str) -> StorageLimitError:
    return StorageLimitError(code, f"the limit is {most} {unit}", unit=unit, most=most)
