"""The messages of threads: one row each, appended as they are produced. Their text is never changed.

A question that is asked anew is another version of it. The version before, and all that followed it, is set
aside: it stays stored, and is not part of the conversation until it is shown again.
"""

import hashlib
import json
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import Final

from langchain_core.messages import AIMessage, AnyMessage, HumanMessage

from agent.conversations import drafts
from agent.conversations.database.database import Row, Rows, Statement, Transaction, Value, query
from agent.conversations.encryption.encryption import Encryption
from agent.conversations.message_json import encoded, message_from_json, message_to_json
from agent.conversations.owned_thread import OwnedThread, RunKey, stored_owner
from agent.conversations.run_state import CHANGED, Change, room_after
from agent.conversations.run_transcript import partial_output
from agent.conversations.search_terms import TERM_BYTES, SearchTerms, insertion
from agent.conversations.storage_limits import ROW_BYTES
from agent.conversations.thread import StoredJson, StoredMessage, not_found
from agent.errors.error_codes import AgentCode
from graph.events import AgentEvent
from graph.files import file_parts
from identity.errors import ConfigurationError, ThreadBusyError

PAGE_BYTES: Final = 1_048_576
"""A page ends with the message that exceeds this: of stored messages, without the overhead of objects."""
TURN_BYTES: Final = 16 * PAGE_BYTES
"""The same for messages of which none may be missed: those among which the calls without a result are."""

_COLUMNS: Final = "seq, created_at, run_id, tokens, body, aside"
_OF_THREAD: Final = f"thread_key = (SELECT key FROM threads WHERE {CHANGED})"  # noqa: S608 - constants
_FIRST_PAGE: Final = 40
_PAGE: Final = 200
_MOST_PAGES: Final = 16
"""The size of one window. A longer turn, and the turns before it, are not part of it."""
_TURN: Final = 100
"""Messages at the end of a transcript among which the calls without a result are."""
_EXPORTED_BYTES: Final = 262_144
_NO_POSITION: Final = 2**62

_MESSAGE_TOKENS = 4
"""For the role of a message, and what separates it from the next."""
_IMAGE_TOKENS: Final = 1_000


def tokens_of(message: AnyMessage) -> int:
    """An estimate: four bytes of UTF-8 a token, which is a little too much in English and in Chinese.

    Reasoning is not counted, because it is not sent again.
    """
    text = message.content if isinstance(message.content, str) else str(message.content)
    if isinstance(message, AIMessage) and message.tool_calls:
        text += "".join(f"{call['name']}{call['args']}" for call in message.tool_calls)
    images = _IMAGE_TOKENS * len(file_parts(message))
    return _MESSAGE_TOKENS + images + (len(text.encode(errors="replace")) + 3) // 4


class Window:
    """Receives messages from the newest to the oldest, and keeps whole turns within `tokens`.

    A turn is a message of a person with what follows it, so that no call is separated from its results. Of
    the first turn that does not fit, the question and the answer are kept without the calls, if they fit.
    """

    def __init__(self, tokens: int) -> None:
        self._left = tokens
        self._kept: list[AnyMessage] = []
        self._turn: list[tuple[AnyMessage, int]] = []
        self._needed = 0
        """Tokens of the turn, also of messages that are not in `_turn` because the turn does not fit."""

    def add(self, message: AnyMessage, tokens: int) -> bool:
        """Whether an older message may still fit. `tokens` is what `tokens_of` returned for `message`."""
        self._turn.append((message, tokens))
        self._needed += tokens
        if self._needed > self._left:
            self._turn = [*filter(_is_answer, self._turn[:-1])][:1] + self._turn[-1:]
        if not isinstance(message, HumanMessage):
            return True
        whole = self._needed <= self._left
        if sum(tokens for _, tokens in self._turn) <= self._left and (whole or len(self._turn) > 1):
            self._left -= self._needed
            self._kept += [message for message, _ in self._turn]
        self._turn = []
        self._needed = 0
        return whole and self._left > 0

    def messages(self) -> list[AnyMessage]:
        """The window, the oldest message first: a person's."""
        return self._kept[::-1]


def _is_answer(entry: tuple[AnyMessage, int]) -> bool:
    message, _ = entry
    return isinstance(message, AIMessage) and not message.tool_calls and bool(message.text)


@dataclass(frozen=True, slots=True)
class ThreadKey:
    """A thread in the database: its number, and what its messages are bound to."""

    key: int
    owner: str
    thread_id: str

    def run(self, run_id: str) -> RunKey:
        """A run of the thread."""
        return RunKey(stored_owner(self.owner).thread(self.thread_id), run_id)


def sent_digest(message: AnyMessage) -> bytes | None:
    """By which a message that a client sends again is found: of its id, which may contain anything."""
    return None if message.id is None else hashlib.sha256(message.id.encode(errors="replace")).digest()[:16]


def thread_key(thread: OwnedThread) -> Transaction[ThreadKey]:
    """Raises `ThreadNotFoundError` if the owner has no such thread."""
    sql = "SELECT key FROM threads WHERE owner = ? AND id = ? AND deleted_at IS NULL"
    rows = yield from query(sql, *thread.place)
    if not rows:
        raise not_found()
    return ThreadKey(rows[0][0], *thread.place)


class Transcript:
    """Writes and reads messages within transactions."""

    def __init__(self, encryption: Encryption, terms: SearchTerms) -> None:
        self._encryption = encryption
        self._terms = terms

    def appended(
        self,
        run: RunKey,
        now: float,
        messages: Sequence[AnyMessage],
        sent: Sequence[bytes | None] | None = None,
        replaces: int | None = None,
    ) -> tuple[Change, list[Statement]]:
        """A change of a thread by a run, and what appends `messages` and their terms if the change was made
        by a statement before. `sent` are the digests of their ids, if a client has sent them. The first is
        another version of the question at the position `replaces`.
        """
        bodies = [encoded(message_to_json(message)) for message in messages]
        terms = self._terms.of_texts(run.owner, searched_texts(messages))
        size = sum(map(len, bodies)) + len(bodies) * ROW_BYTES + len(terms) * TERM_BYTES
        change = Change(run, now, len(messages), size)
        insertions = [
            Statement(
                "INSERT INTO messages"  # noqa: S608 - constants
                " (thread_key, seq, run_id, created_at, tokens, body, sent, version_of)"
                " SELECT key, last_seq - ?, ?, ?, ?, ?, ?, (SELECT COALESCE(version_of, seq) FROM messages"
                f" WHERE thread_key = key AND seq = ?) FROM threads WHERE {CHANGED}",
                (
                    *(len(messages) - 1 - position, run.run_id, now, tokens_of(message)),
                    self._encryption.seal(body, "message", *run.place),
                    None if sent is None else sent[position],
                    None if position else replaces,
                    *change.thread,
                ),
            )
            for position, (message, body) in enumerate(zip(messages, bodies, strict=True))
        ]
        return change, insertions + insertion(terms, CHANGED, *change.thread)

    def complete(self, thread: ThreadKey, run_id: str, now: float) -> Transaction[None]:
        """Appends what is missing after the newest messages and the drafts of a run, which cannot resume."""
        yield from query("DELETE FROM checkpoints WHERE thread_key = ?", thread.key)
        try:
            newest = yield from self.turn(thread)
            events = yield from self.drafted(thread, run_id)
        except ConfigurationError:  # one damaged message must not keep other runs from being interrupted
            return
        if messages := partial_output([stored.message for stored in newest], events):
            run = thread.run(run_id)
            change, insertions = self.appended(run, now, messages)
            yield [room_after(change), *insertions]
        yield from query("DELETE FROM drafts WHERE thread_key = ?", thread.key)

    def drafted(self, thread: ThreadKey, run_id: str) -> Transaction[list[AgentEvent]]:
        """The events in the drafts of a run."""
        sql = "SELECT number, body FROM drafts WHERE thread_key = ? AND run_id = ? ORDER BY number"
        rows = yield from query(sql, thread.key, run_id)
        return drafts.read(rows, self._encryption, thread.run(run_id))

    def latest(self, change: Change) -> Statement:
        """The rows of the newest messages, for `window`. Those of `change` are not there yet."""
        return _bounded(f"{_OF_THREAD} AND aside IS NULL", change.thread, _FIRST_PAGE, PAGE_BYTES)

    def window(
        self, thread: ThreadKey, tokens: int, latest: Rows | None = None
    ) -> Transaction[list[AnyMessage]]:
        """The newest turns within `tokens`. `latest` are the rows of the newest messages, if known."""
        window = Window(tokens)
        [rows] = [latest] if latest is not None else (yield [_before(thread, None, _FIRST_PAGE, PAGE_BYTES)])
        for _ in range(_MOST_PAGES):
            for row in rows:
                if not window.add(self._message(thread, row), row[3]):
                    return window.messages()
            if not rows or (first := rows[-1][0]) == 1:
                break
            [rows] = yield [_before(thread, first, _PAGE, PAGE_BYTES)]
        return window.messages()

    def page(
        self, thread: ThreadKey, before: int | None, limit: int, most_bytes: int
    ) -> Transaction[list[StoredMessage]]:
        """The newest messages before the position `before`, the oldest first: at most `limit`, and no more
        after the one that exceeds `most_bytes`.
        """
        [rows, other] = yield [_before(thread, before, limit, most_bytes), _other_versions(thread)]
        versions = _versions(other)
        return [
            replace(stored, versions=versions.get(stored.seq, ())) for stored in self._messages(thread, rows)
        ]

    def show(self, thread: ThreadKey, version: int) -> Transaction[None]:
        """Makes the version part of the conversation, with what followed it, in place of the version that is.

        Raises `ThreadBusyError` (`question_replaced`) if no version of the question is.
        """
        [other] = yield [_other_versions(thread)]
        first, *_ = _versions(other).get(version, (0,))
        part = "thread_key = ? AND aside IS NULL"
        rows_shown = yield from query(
            f"SELECT seq FROM messages WHERE {part} AND (seq = ? OR version_of = ?)",  # noqa: S608 - constants
            *(thread.key, first, first),
        )
        if not rows_shown:
            fault = f"no version of the question at {version} is part of the conversation"
            raise ThreadBusyError(AgentCode.QUESTION_REPLACED, fault)
        [[present]] = rows_shown
        sql = f"UPDATE messages SET aside = ? WHERE {part} AND seq >= ?"  # noqa: S608 - constants
        yield from query(sql, present, thread.key, present)
        sql = "UPDATE messages SET aside = NULL WHERE thread_key = ? AND aside = ?"
        yield from query(sql, thread.key, version)

    def turn(self, thread: ThreadKey) -> Transaction[list[StoredMessage]]:
        """The newest messages, among which the calls without a result are."""
        return self.page(thread, None, _TURN, TURN_BYTES)

    def between(
        self, positions: Sequence[tuple[ThreadKey, str, int, int]], limit: int
    ) -> Transaction[list[list[StoredMessage]]]:
        """For each thread, run, first and last position: the newest messages, the oldest first. At most
        `limit`, and fewer if they exceed `TURN_BYTES`.
        """
        if not positions:
            return []
        condition = "thread_key = ? AND seq BETWEEN ? AND ? AND run_id = ?"
        results = yield [
            _bounded(condition, (thread.key, first, last, run_id), limit, TURN_BYTES)
            for thread, run_id, first, last in positions
        ]
        return [self._messages(thread, rows) for (thread, *_), rows in zip(positions, results, strict=True)]

    def index_page(self, thread: ThreadKey, after: int) -> Transaction[int]:
        """Stores the terms of some messages after the position `after`; the position of the last one, or 0 if
        there are none.
        """
        rows = yield [
            _bounded("thread_key = ? AND seq > ?", (thread.key, after), _PAGE, PAGE_BYTES, newest=False)
        ]
        messages: list[AnyMessage] = []
        for row in rows[0]:
            with suppress(ConfigurationError):  # what is refused is not found
                messages.append(self._message(thread, row))
        if terms := self._terms.of_texts(thread.owner, searched_texts(messages)):
            yield insertion(terms, "key = ?", thread.key)
        return rows[0][-1][0] if rows[0] else 0

    def exported(self, thread: ThreadKey, after: int) -> Transaction[list[StoredJson]]:
        """The messages after the position `after` as they are stored, the oldest first: some of them."""
        [rows] = yield [
            _bounded("thread_key = ? AND seq > ?", (thread.key, after), _PAGE, _EXPORTED_BYTES, newest=False)
        ]
        return [
            StoredJson(row[0], row[1], row[2], self._opened(thread, row), row[5] is not None) for row in rows
        ]

    def _messages(self, thread: ThreadKey, rows: Rows) -> list[StoredMessage]:
        """Rows are newest first."""
        return [StoredMessage(row[0], row[1], row[2], self._message(thread, row)) for row in reversed(rows)]

    def _message(self, thread: ThreadKey, row: Row) -> AnyMessage:
        try:
            return message_from_json(json.loads(self._opened(thread, row)))
        except ValueError:
            raise self._misshapen(thread, row) from None

    def _opened(self, thread: ThreadKey, row: Row) -> bytes:
        """The JSON object of a message."""
        opened = self._encryption.open(row[4], "message", thread.owner, thread.thread_id, row[2])
        if not (opened.startswith(b"{") and opened.endswith(b"}")):
            raise self._misshapen(thread, row)
        return opened

    def _misshapen(self, thread: ThreadKey, row: Row) -> ConfigurationError:
        fault = f"message {row[0]} of thread {thread.thread_id} does not have the expected form"
        return self._encryption.refusal(fault)


def searched_texts(messages: Sequence[AnyMessage]) -> list[str]:
    """The words of people and of the model, by which a conversation is found. Results of tools are none."""
    return [str(message.text) for message in messages if isinstance(message, HumanMessage | AIMessage)]


def _before(thread: ThreadKey, before: int | None, limit: int, most_bytes: int) -> Statement:
    end = _NO_POSITION if before is None else before
    return _bounded("thread_key = ? AND seq < ? AND aside IS NULL", (thread.key, end), limit, most_bytes)


def supersede(change: Change, position: int) -> Statement:
    """Takes the question at `position`, and what follows it, out of the conversation, if `change` was made by
    a statement before.
    """
    return Statement(
        f"UPDATE messages SET aside = ? WHERE {_OF_THREAD} AND seq >= ? AND aside IS NULL",  # noqa: S608 - constants
        (position, *change.thread, position),
    )


def _other_versions(thread: ThreadKey) -> Statement:
    """The rows of `_versions`."""
    return Statement(
        "SELECT version_of, seq FROM messages WHERE thread_key = ? AND version_of IS NOT NULL ORDER BY seq",
        (thread.key,),
    )


def _versions(rows: Rows) -> dict[int, tuple[int, ...]]:
    """By position, the positions of all versions of a question that has several, the oldest first."""
    groups: dict[int, list[int]] = {}
    for first, position in rows:
        groups.setdefault(first, [first]).append(position)
    return {position: tuple(group) for group in groups.values() for position in group}


def _bounded(
    condition: str, values: Sequence[Value], limit: int, most_bytes: int, *, newest: bool = True
) -> Statement:
    """The first messages that fulfil `condition`, the newest or the oldest ones: at most `limit`, and none
    after the one that exceeds `most_bytes`. No body is read to find where they end.
    """
    order, end, within = ("DESC", "MIN", ">=") if newest else ("ASC", "MAX", "<=")
    sizes = f"SELECT seq, length(body) AS size FROM messages WHERE {condition} ORDER BY seq {order} LIMIT ?"  # noqa: S608 - constants
    sums = f"SELECT seq, SUM(size) OVER (ORDER BY seq {order}) - size AS others FROM ({sizes}) AS sizes"  # noqa: S608 - constants
    return Statement(
        f"SELECT {_COLUMNS} FROM messages WHERE {condition}"  # noqa: S608 - constants
        f" AND seq {within} (SELECT {end}(seq) FROM ({sums}) AS sums WHERE others < ?) ORDER BY seq {order}",
        (*values, *values, limit, most_bytes),
    )
