"""The messages of threads: one row each, appended as they are produced and never changed."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from langchain_core.messages import AnyMessage

from agent.conversations.database import Row, Statement, Transaction, Value, query
from agent.conversations.encryption import Encryption
from agent.conversations.message_json import encoded, message_from_json, message_to_json
from agent.conversations.places import message_place
from agent.conversations.thread import StoredMessage
from agent.conversations.window import Window, tokens_of
from agent.error_codes import AgentCode
from identity.errors import ConfigurationError

_COLUMNS: Final = "seq, created_at, run_id, tokens, body"
_FIRST_PAGE: Final = 40
_PAGE: Final = 200


@dataclass(frozen=True, slots=True)
class ThreadKey:
    """A thread in the database: its number, and what its messages are bound to."""

    key: int
    owner: str
    thread_id: str


class Transcript:
    """Writes and reads messages within transactions."""

    def __init__(self, encryption: Encryption) -> None:
        self._encryption = encryption

    def insertion(
        self, thread: ThreadKey, first: int, run_id: str, now: float, messages: Sequence[AnyMessage]
    ) -> Statement:
        """Appends `messages`, of which there is at least one, from the position `first` on."""
        values: list[Value] = []
        for seq, message in enumerate(messages, first):
            body = self._encryption.seal(
                encoded(message_to_json(message)), message_place(thread.owner, thread.thread_id, seq)
            )
            values += [thread.key, seq, run_id, now, tokens_of(message), body]
        rows = ", ".join(["(?, ?, ?, ?, ?, ?)"] * len(messages))
        sql = f"INSERT INTO messages (thread_key, seq, run_id, created_at, tokens, body) VALUES {rows}"  # noqa: S608 - placeholders
        return Statement(sql, values)

    def window(self, thread: ThreadKey, before: int | None, tokens: int) -> Transaction[list[AnyMessage]]:
        """The window of the messages before the position `before`."""
        window, limit = Window(tokens), _FIRST_PAGE
        while True:
            rows = yield from _page(thread, before, limit)
            for seq, _, _, needed, body in rows:
                if not window.add(self._message(thread, seq, body), needed):
                    return window.messages()
            if len(rows) < limit:
                return window.messages()
            before, limit = rows[-1][0], _PAGE

    def page(self, thread: ThreadKey, before: int | None, limit: int) -> Transaction[list[StoredMessage]]:
        """The newest `limit` messages before the position `before`, the oldest first."""
        rows = yield from _page(thread, before, limit)
        return [self._stored(thread, row) for row in reversed(rows)]

    def _stored(self, thread: ThreadKey, row: Row) -> StoredMessage:
        seq, created_at, run_id, _, body = row
        return StoredMessage(seq, created_at, run_id, self._message(thread, seq, body))

    def _message(self, thread: ThreadKey, seq: int, body: bytes) -> AnyMessage:
        try:
            return message_from_json(
                json.loads(self._encryption.open(body, message_place(thread.owner, thread.thread_id, seq)))
            )
        except ValueError:
            fault = f"message {seq} of thread {thread.thread_id} does not have the expected form"
            raise ConfigurationError(AgentCode.CONVERSATIONS_UNAVAILABLE, [fault]) from None


def _page(thread: ThreadKey, before: int | None, limit: int) -> Transaction[Sequence[Row]]:
    condition, values = ("", ()) if before is None else (" AND seq < ?", (before,))
    sql = f"SELECT {_COLUMNS} FROM messages WHERE thread_key = ?{condition} ORDER BY seq DESC LIMIT ?"  # noqa: S608 - constants
    return (yield from query(sql, thread.key, *values, limit))
