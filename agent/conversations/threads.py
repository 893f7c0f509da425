"""The conversations of all principals, each reachable by its owner only.

Every statement is about one owner, who is a verified caller (`owned_thread`): another's thread is absent,
whether it exists or not.
"""

import json
import time
import uuid
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from functools import partial
from types import MappingProxyType
from typing import Final, TypeVar

from langchain_core.messages import AnyMessage

from agent.conversations import drafts, run_record, run_state
from agent.conversations.database.database import Database, Row, Statement, Transaction, Value, query
from agent.conversations.drafts import Draft
from agent.conversations.encryption.encryption import Encryption
from agent.conversations.files import FileStore
from agent.conversations.grants import end_grants
from agent.conversations.listing import COLUMNS, thread_page
from agent.conversations.message_json import encoded, message_from_json, message_to_json
from agent.conversations.owned_thread import OwnedThread, RunKey, ThreadOwner, stored_owner
from agent.conversations.process_runs import ProcessRuns
from agent.conversations.run_record import COMPLETED, OF_ONLY_RUN, RunEnd, RunHistory
from agent.conversations.run_state import CHANGED
from agent.conversations.search_terms import TERM_BYTES, SearchTerms, insertion
from agent.conversations.storage_limits import ROW_BYTES, UNLIMITED, StorageLimits
from agent.conversations.thread import (
    StoredJson,
    StoredMessage,
    Thread,
    ThreadStatus,
    first_question,
    not_found,
    valid_id,
)
from agent.conversations.transcript import (
    PAGE_BYTES,
    ThreadKey,
    Transcript,
    sent_digest,
    supersede,
    thread_key,
)
from agent.errors.error_codes import AgentCode
from graph.events import AgentEvent
from graph.files import file_parts
from identity.errors import ConfigurationError, ThreadBusyError

T = TypeVar("T")

_WITH_TITLES: Final = "SELECT key, owner, id, title FROM threads WHERE key > ? ORDER BY key LIMIT 100"


@dataclass(frozen=True, slots=True)
class BegunRun:
    """The beginning of a run: the earlier messages, and the labels of what they have read."""

    window: list[AnyMessage]
    read: Mapping[str, str]


class ThreadStore:
    """Stores threads, their messages and the state of their runs.

    Raises `ThreadNotFoundError` (404) for a thread that the owner does not have, and what `Database` raises.
    """

    def __init__(
        self,
        database: Database,
        encryption: Encryption | None = None,
        *,
        limits: StorageLimits = UNLIMITED,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._database = database
        self._encryption = encryption or Encryption()
        self._terms = SearchTerms(self._encryption)
        self._transcript = Transcript(self._encryption, self._terms)
        self._limits = limits
        self._clock = clock
        self.processes: Final = ProcessRuns(database, self._transcript, clock)
        """Which process executes which run, and the end of those whose process stopped."""
        self.runs: Final = RunHistory(database, self._transcript, clock)
        """The records of the runs that this store begins and ends."""
        self.files: Final = FileStore(database, self._encryption, limits)

    async def exist(self) -> bool:
        """Whether there may be threads. Creates no database."""
        return await self._database.exists()

    async def open(
        self, owner: ThreadOwner, thread_id: str | None = None, title: str | None = None
    ) -> Thread:
        """The thread, which is created if there is none; with `None`, a new one. Raises `ValueError` for an
        identifier that no thread may have, and `StorageLimitError`.
        """
        if thread_id is None:
            thread_id = uuid.uuid4().hex
        thread = owner.thread(valid_id(thread_id))
        sealed = self._sealed_title(thread, title)
        terms = self._terms.of_title(owner.digest, title)
        size = len(terms) * TERM_BYTES
        now = self._clock()
        room, space = self._limits.of_user(owner.digest, size, threads=1)

        def work() -> Transaction[Thread]:
            created = yield from query(
                "INSERT INTO threads (owner, id, title, status, last_seq, bytes, created_at, updated_at)"
                f" SELECT ?, ?, ?, 'idle', 0, ?, ?, ? WHERE 1 = 1{room}"
                " ON CONFLICT (owner, id) DO NOTHING RETURNING key",
                *(*thread.place, sealed, ROW_BYTES + size, now, now, *space),
            )
            if created and terms:
                yield insertion(terms, "key = ?", created[0][0])
            if not created:
                yield from self._limits.check(thread, 0, size)
            return (yield from self._found(thread))

        return await self._database.write(work)

    async def get(self, thread: OwnedThread) -> Thread:
        """The thread."""
        return await self._database.read(lambda: self._found(thread))

    async def page(
        self, owner: ThreadOwner, *, limit: int, before: str | None = None, search: str | None = None
    ) -> tuple[list[Thread], str | None]:
        """A page of threads, the last changed first, and the cursor of the next one.

        With `search`, those that have all of its words, in whatever case, in the title or in what people and
        the model have written; of the title, also words that begin so. They are looked for in 500 threads at
        a time, so that others are served meanwhile; of very many threads, a page has fewer than `limit`.
        Raises `ValueError` for a cursor that is none.
        """
        wanted = self._terms.wanted(owner.digest, search) if search else None
        rows, cursor = await thread_page(
            self._database, owner.digest, limit=limit, before=before, wanted=wanted
        )
        return [self._shown(owner, row) for row in rows], cursor

    async def rename(self, thread: OwnedThread, title: str) -> Thread:
        """The thread, with `title`, which is one line (`agent.conversations.thread`)."""
        sealed = self._sealed_title(thread, title)
        terms = self._terms.of_title(thread.owner.digest, title)

        def work() -> Transaction[Thread]:
            key = (yield from thread_key(thread)).key
            former = self._shown(thread.owner, (yield from self._row(thread)))
            yield [
                *self._terms.not_of_title(thread.owner.digest, key, former.title),
                Statement("UPDATE threads SET title = ? WHERE key = ?", (sealed, key)),
                *insertion(terms, "key = ?", key),
            ]
            return replace(former, title=title)

        return await self._database.write(work)

    async def delete(self, thread: OwnedThread) -> Thread:
        """Deletes the thread: it is absent from now on, and can be restored for ten minutes at least. The
        grants of the conversation end for good.
        """
        await self._database.write(lambda: end_grants(*thread.place), durable=True)
        return await self._changed(thread, "deleted_at = ?", self._clock())

    async def delete_only_run(self, run: RunKey) -> bool:
        """Deletes the thread of `run`, as `delete` does; false, and nothing is changed, if the thread has
        another run, or is not there. One transaction: a run that begins at the same time is another run, or
        finds no thread.
        """
        sql = f"UPDATE threads SET deleted_at = ?{OF_ONLY_RUN} RETURNING 1"  # noqa: S608 - constants
        now = self._clock()

        def work() -> Transaction[bool]:
            deleted = yield from query(sql, now, *run.place)
            if deleted:
                yield from end_grants(*run.thread.place)
            return bool(deleted)

        return await self._database.write(work, durable=True)

    async def restore(self, thread: OwnedThread) -> Thread:
        """The thread, which is not deleted any more. Raises `ThreadNotFoundError` if it was purged."""
        return await self._changed(thread, "deleted_at = NULL", also_deleted=True)

    async def delete_all(self, owner: ThreadOwner) -> int:
        """Deletes all threads of `owner`, and ends the grants of these conversations; how many."""
        now = self._clock()
        sql = "UPDATE threads SET deleted_at = ? WHERE owner = ? AND deleted_at IS NULL RETURNING 1"
        await self._database.write(lambda: end_grants(owner.digest, None), durable=True)
        return len(await self._database.write(lambda: query(sql, now, owner.digest)))

    async def exported(self, thread: OwnedThread, *, after: int = 0) -> list[StoredJson]:
        """Messages as they are stored, those after the position `after` first, the oldest first: as many as
        fit into little memory, and none if there are no others.
        """
        return await self._read(thread, lambda key: self._transcript.exported(key, after))

    async def messages(
        self, thread: OwnedThread, *, before: int | None = None, limit: int, most_bytes: int = PAGE_BYTES
    ) -> list[StoredMessage]:
        """The newest messages before the position `before`, the oldest first: at most `limit`, and none
        before the one that exceeds `most_bytes`, as they are stored.
        """
        page = self._transcript.page
        return await self._read(thread, lambda key: page(key, before, limit, most_bytes))

    async def show(self, thread: OwnedThread, version: int) -> Thread:
        """Shows the version of a question at this position, with what followed it, in place of another.

        Raises `ThreadBusyError` while a run is in progress or waits, and if it is no version.
        """

        def work() -> Transaction[Thread]:
            key = yield from thread_key(thread)
            yield from run_state.rest(key.key, self._clock())
            yield from self._transcript.show(key, version)
            return self._shown(thread.owner, (yield from self._row(thread)))

        return await self._database.write(work)

    async def begin_run(
        self,
        run: RunKey,
        process_id: str,
        *,
        messages: Sequence[AnyMessage] = (),
        tokens: int = 0,
        unchanged: Thread | None = None,
        replaces: int | None = None,
        files: Mapping[str, bytes] = MappingProxyType({}),
    ) -> BegunRun:
        """Makes `run` that of its thread, which is opened if there is none, and appends `messages`;
        with `replaces`, in place of the question at that position of an `unchanged` thread, and of what
        follows it. Of `files`, those that `messages` refer to are stored.

        The window is of what was written before, within `tokens`. One transaction. The run that a paused
        thread waits with may go on. Raises `MessageStoredError` if the thread has one of `messages`, by its
        id, `ThreadBusyError` while another run is in progress, or after one if the thread is to be
        `unchanged`, `ApprovalError` (`approval_open`) while another one waits for a person, and
        `StorageLimitError`.
        """
        digests = [sent_digest(message) for message in messages]
        sent = {digest: str(message.id) for digest, message in zip(digests, messages, strict=True) if digest}
        if replaces is not None:  # a question that is asked again keeps its id
            sent = {}
        valid_id(run.thread_id)
        change, insertions = self._transcript.appended(run, self._clock(), messages, digests, replaces)
        change = replace(change, bytes=change.bytes + ROW_BYTES)
        file_ids = [part["id"] for message in messages for part in file_parts(message)]
        for identifier in file_ids:
            if identifier in files:
                change, insertion_of_file = self.files.added(change, identifier, files[identifier])
                insertions.append(insertion_of_file)
        question = first_question(messages)
        title = self._sealed_title(run.thread, question)
        added = [run_record.begun(change), *insertions]
        if not messages:  # a run that goes on numbers its drafts anew
            added.append(run_state.removal(change, "drafts"))
        claim = run_state.claim(change, process_id, title, sent, unchanged, self._limits)
        left = [] if replaces is None else [supersede(change, replaces)]
        before = self._transcript.latest(change)

        def of_title() -> list[Statement]:
            return insertion(self._terms.of_title(run.owner, question), CHANGED, *change.thread)

        def work() -> Transaction[BegunRun]:
            locked, claimed, *results = yield [run_state.lock(change), claim, *left, before, *added]
            if claimed:
                if not (locked and locked[0][1]):  # it had no title
                    yield of_title()
                key, labels = claimed[0]
                thread = ThreadKey(key, *run.thread.place)
                latest = results[len(left)]
                window = (yield from self._transcript.window(thread, tokens, latest)) if tokens else []
                return BegunRun(window, self._labels(run.thread, labels))
            creation = run_state.creation(change, process_id, title, self._limits)
            created, *_ = yield [creation, *added, *of_title()]
            if created:
                return BegunRun([], {})
            return (yield from run_state.refusal(change, sent, self._limits, unchanged))

        return await self._database.batches(work)

    async def append(
        self,
        run: RunKey,
        messages: Sequence[AnyMessage],
        read: Mapping[str, str] = MappingProxyType({}),
        after: int | None = None,
    ) -> int | None:
        """Appends what the run produced, and keeps the labels of what the conversation has `read`, if any.
        Returns the number of this change, for the next one's `after`; without `messages`, `after`.

        Raises `ThreadBusyError` if it is not the thread's run any more, or `after` is not the number of the
        thread's latest change: then the database may have lost what the run has stored.
        """
        change, insertions = self._transcript.appended(run, self._clock(), messages)
        change = replace(change, labels=self._sealed_labels(run, read), after=after)

        def work() -> Transaction[None]:
            advanced, *_ = yield [run_state.advance(change), *insertions]
            if not advanced:
                raise ThreadBusyError(AgentCode.THREAD_BUSY, "another run has taken the thread over")

        if not messages:
            return after
        await self._database.batches(work)
        return change.number

    async def write_drafts(self, written: Sequence[Draft]) -> None:
        """Writes what runs have shown, unless they are not the runs of their threads any more. One
        transaction.
        """
        insertions = [drafts.insertion(draft, self._encryption) for draft in written]

        def work() -> Transaction[None]:
            yield insertions

        await self._database.batches(work)

    async def drafted(self, run: RunKey) -> tuple[list[AnyMessage], list[AgentEvent]]:
        """The newest messages of the thread, among which the calls without a result are, and what the drafts
        of a run have.
        """

        def work(thread: ThreadKey) -> Transaction[tuple[list[AnyMessage], list[AgentEvent]]]:
            newest = yield from self._transcript.turn(thread)
            events = yield from self._transcript.drafted(thread, run.run_id)
            return [stored.message for stored in newest], events

        return await self._read(run.thread, work)

    async def end_run(
        self,
        run: RunKey,
        status: ThreadStatus,
        messages: Sequence[AnyMessage] = (),
        end: RunEnd = COMPLETED,
        read: Mapping[str, str] = MappingProxyType({}),
        after: int | None = None,
        process_id: str | None = None,
    ) -> bool:
        """Ends the run with `status`, and appends its last messages; one transaction. `end` is recorded.
        `read` and `after` are as in `append`.

        Also ends a run that waits; with `process_id`, only one that this process executes. What has ended has
        no checkpoint. False, and nothing is changed, if it is not the thread's run any more, or `after` is
        not the number of the thread's latest change.
        """
        change, insertions = self._transcript.appended(run, self._clock(), messages)
        change = replace(change, labels=self._sealed_labels(run, read), after=after)
        ending = [run_state.end(change, status, process_id), *run_record.ended(change, end), *insertions]
        ending.append(run_state.removal(change, "drafts"))
        if status != "paused":
            ending.append(run_state.removal(change, "checkpoints"))

        def work() -> Transaction[bool]:
            ended, *_ = yield ending
            return bool(ended)

        return await self._database.batches(work)

    async def missing(self, run: RunKey, messages: Sequence[AnyMessage]) -> Sequence[AnyMessage]:
        """The `messages` that are not stored, or not any more. They are all that the run in progress has
        written, in this order: what is stored of them ends with the newest message of the thread.
        """
        newest = [stored.message.id for stored in await self.messages(run.thread, limit=1)]
        for number in range(len(messages), 0, -1):
            if messages[number - 1].id in newest:
                return messages[number:]
        return messages

    def sealed_end(self, run: RunKey, messages: Sequence[AnyMessage], read: Mapping[str, str]) -> bytes:
        """The end for `opened_end`, sealed as stored values are."""
        members = {"messages": [message_to_json(message) for message in messages], "read": dict(read)}
        return self._encryption.seal(encoded(members), "end", *run.place)

    def opened_end(self, run: RunKey, sealed: bytes) -> tuple[list[AnyMessage], dict[str, str]]:
        """The messages and labels of `sealed_end`. Raises what `Encryption.open` raises."""
        members = json.loads(self._encryption.open(sealed, "end", *run.place))
        return [message_from_json(message) for message in members["messages"]], members["read"]

    async def index_anew(self) -> None:
        """Stores all terms under the present key, thread by thread. A search may miss the thread of which
        the terms are being stored.
        """
        after = -1
        while rows := await self._database.read(partial(query, _WITH_TITLES, after)):
            for key, owner, thread_id, title in rows:
                opened = None
                with suppress(ConfigurationError):  # what is refused is not found
                    opened = self._thread_title(stored_owner(owner).thread(thread_id), title)
                await self._database.write(
                    partial(self._title_anew, key, self._terms.of_title(owner, opened))
                )
                thread = ThreadKey(key, owner, thread_id)
                seq = 0
                while seq := await self._database.write(partial(self._transcript.index_page, thread, seq)):
                    pass
            after = rows[-1][0]

    def _title_anew(self, key: int, terms: list[bytes]) -> Transaction[None]:
        yield [Statement("DELETE FROM terms WHERE thread_key = ?", (key,)), *insertion(terms, "key = ?", key)]

    async def _read(self, thread: OwnedThread, work: Callable[[ThreadKey], Transaction[T]]) -> T:
        """The result of `work` on the thread."""

        def of_thread() -> Transaction[T]:
            return (yield from work((yield from thread_key(thread))))

        return await self._database.read(of_thread)

    async def _changed(
        self, thread: OwnedThread, change: str, *values: Value, also_deleted: bool = False
    ) -> Thread:
        condition = "TRUE" if also_deleted else "deleted_at IS NULL"
        sql = (
            f"UPDATE threads SET {change} WHERE owner = ? AND id = ? AND {condition}"  # noqa: S608 - constants
            f" RETURNING {COLUMNS}"
        )
        rows = await self._database.write(lambda: query(sql, *values, *thread.place))
        if not rows:
            raise not_found()
        return self._shown(thread.owner, rows[0])

    def _found(self, thread: OwnedThread) -> Transaction[Thread]:
        return self._thread(thread.owner, (yield from self._row(thread)))

    def _row(self, thread: OwnedThread) -> Transaction[Row]:
        sql = f"SELECT {COLUMNS} FROM threads WHERE owner = ? AND id = ? AND deleted_at IS NULL"  # noqa: S608 - constants
        rows = yield from query(sql, *thread.place)
        if not rows:
            raise not_found()
        return rows[0]

    def _thread(self, owner: ThreadOwner, row: Row) -> Thread:
        """Raises `ConfigurationError` if the title is refused."""
        thread_id, title, *others = row
        return Thread(thread_id, self._thread_title(owner.thread(thread_id), title), *others)

    def _thread_title(self, thread: OwnedThread, sealed: bytes | None) -> str | None:
        return None if sealed is None else self._encryption.open(sealed, "title", *thread.place).decode()

    def _shown(self, owner: ThreadOwner, row: Row) -> Thread:
        """Without a title that is refused: the thread can be listed and deleted."""
        try:
            return self._thread(owner, row)
        except ConfigurationError:
            return self._thread(owner, (row[0], None, *row[2:]))

    def _sealed_title(self, thread: OwnedThread, title: str | None) -> bytes | None:
        if title is None:
            return None
        return self._encryption.seal(title.encode(errors="replace"), "title", *thread.place)

    def _labels(self, thread: OwnedThread, sealed: bytes | None) -> dict[str, str]:
        if sealed is None:
            return {}
        labels: dict[str, str] = json.loads(self._encryption.open(sealed, "labels", *thread.place))
        return labels

    def _sealed_labels(self, run: RunKey, read: Mapping[str, str]) -> bytes | None:
        return self._encryption.seal(encoded(read), "labels", *run.thread.place) if read else None
