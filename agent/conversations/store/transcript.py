"""The messages of threads: one row each, appended as they are produced and never changed."""

import hashlib
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final, TypeAlias

from langchain_core.messages import AnyMessage

from agent.conversations.database.database import Row, Rows, Statement, Transaction, query
from agent.conversations.encryption.encryption import Encryption
from agent.conversations.encryption.places import message_place
from agent.conversations.store import drafts
from agent.conversations.store.message_json import encoded, message_from_json, message_to_json
from agent.conversations.store.run_state import Change, room_after
from agent.conversations.store.thread import StoppedRun, StoredMessage, not_found
from agent.conversations.store.window import Window, tokens_of
from agent.errors.error_codes import AgentCode
from graph.events import AgentEvent
from identity.errors import ConfigurationError

_COLUMNS: Final = "seq, created_at, run_id, tokens, body"
_FIRST_PAGE: Final = 40
_PAGE: Final = 200
_TURN: Final = 100
"""Messages at the end of a transcript among which the calls without a result are."""

Complete: TypeAlias = Callable[[Sequence[AnyMessage], Sequence[AgentEvent]], Sequence[AnyMessage]]
"""Of the newest messages and the drafts of a run whose process stopped, the messages that complete them."""


def no_messages(
    newest: Sequence[AnyMessage],  # noqa: ARG001 - a `Complete`
    shown: Sequence[AgentEvent],  # noqa: ARG001 - likewise
) -> Sequence[AnyMessage]:
    """Completes nothing."""
    return ()


@dataclass(frozen=True, slots=True)
class ThreadKey:
    """A thread in the database: its number, and what its messages are bound to."""

    key: int
    owner: str
    thread_id: str


def sent_digest(message: AnyMessage) -> bytes | None:
    """By which a message that a client sends again is found: of its id, which may contain anything."""
    return None if message.id is None else hashlib.sha256(message.id.encode(errors="replace")).digest()[:16]


def thread_key(owner: str, thread_id: str) -> Transaction[ThreadKey]:
    """Raises `ThreadNotFoundError` if the owner has no such thread."""
    sql = "SELECT key FROM threads WHERE owner = ? AND id = ? AND deleted_at IS NULL"
    rows = yield from query(sql, owner, thread_id)
    if not rows:
        raise not_found()
    return ThreadKey(rows[0][0], owner, thread_id)


class Transcript:
    """Writes and reads messages within transactions."""

    def __init__(self, encryption: Encryption) -> None:
        self._encryption = encryption

    def insertions(
        self, change: Change, messages: Sequence[AnyMessage], sent: Sequence[bytes | None] | None = None
    ) -> list[Statement]:
        """Appends `messages`, if `change` was made by a statement before. `sent` are the digests of their
        ids, if a client has sent them.
        """
        place = message_place(change.owner, change.thread_id, change.run_id)
        return [
            Statement(
                "INSERT INTO messages (thread_key, seq, run_id, created_at, tokens, body, sent)"
                " SELECT key, last_seq - ?, ?, ?, ?, ?, ?"
                " FROM threads WHERE owner = ? AND id = ? AND change = ?",
                (
                    *(len(messages) - 1 - position, change.run_id, change.now, tokens_of(message)),
                    self._encryption.seal(encoded(message_to_json(message)), place),
                    None if sent is None else sent[position],
                    *(change.owner, change.thread_id, change.number),
                ),
            )
            for position, message in enumerate(messages)
        ]

    def completed(
        self, interruption: Transaction[list[StoppedRun]], now: float, complete: Complete
    ) -> Transaction[list[StoppedRun]]:
        """`interruption`, and what `complete` makes of the newest messages and the drafts of each run that it
        returns.
        """
        runs = yield from interruption
        for run in runs:
            [(key,)] = yield from query(
                "SELECT key FROM threads WHERE owner = ? AND id = ?", run.owner, run.thread_id
            )
            try:
                newest = yield from self.page(ThreadKey(key, run.owner, run.thread_id), None, _TURN)
                shown = yield from self.drafted(ThreadKey(key, run.owner, run.thread_id), run.run_id)
            except ConfigurationError:  # one damaged message must not keep other runs from being interrupted
                continue
            if messages := complete([each.message for each in newest], shown):
                change = Change(run.owner, run.thread_id, run.run_id, now, len(messages))
                yield [room_after(change), *self.insertions(change, messages)]
            yield from query("DELETE FROM drafts WHERE thread_key = ?", key)
        return runs

    def drafted(self, thread: ThreadKey, run_id: str) -> Transaction[list[AgentEvent]]:
        """What the drafts of a run have."""
        return drafts.drafted(thread.key, thread.owner, thread.thread_id, run_id, self._encryption)

    def latest(self, change: Change) -> Statement:
        """The rows of the newest messages before those of `change`, for `window`."""
        thread = "FROM threads WHERE owner = ? AND id = ? AND change = ?"
        values = (change.owner, change.thread_id, change.number)
        return Statement(
            f"SELECT {_COLUMNS} FROM messages WHERE thread_key = (SELECT key {thread})"  # noqa: S608 - constants
            f" AND seq <= (SELECT last_seq - ? {thread}) ORDER BY seq DESC LIMIT ?",
            (*values, change.messages, *values, _FIRST_PAGE),
        )

    def window(
        self, thread: ThreadKey, tokens: int, latest: Rows | None = None
    ) -> Transaction[list[AnyMessage]]:
        """The newest turns within `tokens`. `latest` are the rows of the newest messages, if known."""
        window, limit = Window(tokens), _FIRST_PAGE
        rows = (yield from _page(thread, None, limit)) if latest is None else latest
        while True:
            for row in rows:
                if not window.add(self._message(thread, row), row[3]):
                    return window.messages()
            if len(rows) < limit:
                return window.messages()
            limit = _PAGE
            rows = yield from _page(thread, rows[-1][0], limit)

    def page(self, thread: ThreadKey, before: int | None, limit: int) -> Transaction[list[StoredMessage]]:
        """The newest `limit` messages before the position `before`, the oldest first."""
        rows = yield from _page(thread, before, limit)
        return self._messages(thread, rows)

    def of_run(self, thread: ThreadKey, run_id: str, limit: int) -> Transaction[list[StoredMessage]]:
        """The newest `limit` messages of one run, the oldest first."""
        sql = f"SELECT {_COLUMNS} FROM messages WHERE thread_key = ? AND run_id = ? ORDER BY seq DESC LIMIT ?"  # noqa: S608 - constants
        rows = yield from query(sql, thread.key, run_id, limit)
        return self._messages(thread, rows)

    def between(
        self, positions: Sequence[tuple[ThreadKey, str, int, int]], limit: int
    ) -> Transaction[list[list[StoredMessage]]]:
        """For each thread, run, first and last position: the newest `limit` messages, the oldest first."""
        if not positions:
            return []
        results = yield [
            Statement(
                f"SELECT {_COLUMNS} FROM messages WHERE thread_key = ? AND seq BETWEEN ? AND ?"  # noqa: S608 - constants
                " AND run_id = ? ORDER BY seq DESC LIMIT ?",
                (thread.key, first, last, run_id, limit),
            )
            for thread, run_id, first, last in positions
        ]
        return [self._messages(thread, rows) for (thread, *_), rows in zip(positions, results, strict=True)]

    def _messages(self, thread: ThreadKey, rows: Rows) -> list[StoredMessage]:
        """Of rows of which the newest is the first one."""
        return [StoredMessage(row[0], row[1], row[2], self._message(thread, row)) for row in reversed(rows)]

    def _message(self, thread: ThreadKey, row: Row) -> AnyMessage:
        seq, _, run_id, _, body = row
        place = message_place(thread.owner, thread.thread_id, run_id)
        try:
            return message_from_json(json.loads(self._encryption.open(body, place)))
        except ValueError:
            fault = f"message {seq} of thread {thread.thread_id} does not have the expected form"
            raise ConfigurationError(AgentCode.CONVERSATIONS_UNAVAILABLE, [fault]) from None


def _page(thread: ThreadKey, before: int | None, limit: int) -> Transaction[Rows]:
    condition, values = ("", ()) if before is None else (" AND seq < ?", (before,))
    sql = f"SELECT {_COLUMNS} FROM messages WHERE thread_key = ?{condition} ORDER BY seq DESC LIMIT ?"  # noqa: S608 - constants
    return (yield from query(sql, thread.key, *values, limit))
