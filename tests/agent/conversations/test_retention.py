"""The end of conversations, for good: with everything that belongs to them."""

import sqlite3
from pathlib import Path
from typing import Any

import pytest
from langchain_core.messages import AIMessage, HumanMessage
from langgraph.checkpoint.base import empty_checkpoint

from agent.conversations.approval_rows import OF_PROGRAMS, ApprovalRows
from agent.conversations.checkpoints import SavedCheckpoint
from agent.conversations.database.database import Database, query
from agent.conversations.database.sqlite_database import SqliteDatabase
from agent.conversations.drafts import Draft
from agent.conversations.encryption.encryption import Encryption
from agent.conversations.owned_thread import RunKey, stored_owner
from agent.conversations.retention import Retention
from agent.conversations.storage import ConversationStorage
from agent.conversations.stored_request import members_of
from agent.conversations.thread import owner_digest
from graph.approvals.record import ApprovalRequest, ApprovalState
from idaas_agent.library.stored_approvals import kept_in
from identity.errors import ThreadNotFoundError
from tests.clock import Clock
from tests.graph.approvals.conftest import ALICE, request_of

OWNER = stored_owner(owner_digest(ALICE))
DAY = 86_400.0


@pytest.fixture
def clock() -> Clock:
    return Clock(1_000_000.0)


@pytest.fixture
def storage(database: Database, clock: Clock) -> ConversationStorage:
    return ConversationStorage(database, Encryption(), days=90, clock=clock)


async def conversation(storage: ConversationStorage, thread_id: str, status: Any = "idle") -> None:
    threads = storage.threads
    await threads.begin_run(
        RunKey(OWNER.thread(thread_id), f"run-{thread_id}"), "p", messages=[HumanMessage("Hello")]
    )
    if status != "running":
        await threads.end_run(RunKey(OWNER.thread(thread_id), f"run-{thread_id}"), status, [AIMessage("Hi")])


async def checkpoint(storage: ConversationStorage, thread_id: str, state: str = "") -> None:
    saved = SavedCheckpoint(empty_checkpoint() | {"channel_values": {"n": state}}, {})
    await storage.checkpoints.save(RunKey(OWNER.thread(thread_id), f"run-{thread_id}"), saved)


def contents(folder: Path) -> list[bytes]:
    return [file.read_bytes() for file in folder.iterdir()]


async def count(database: Database, table: str) -> int:
    [[found]] = await database.read(lambda: query(f"SELECT count(*) FROM {table}"))  # noqa: S608 - constants
    return found


async def test_beginning_of_a_call_is_known_until_its_time_has_come(
    storage: ConversationStorage, database: Database, clock: Clock
) -> None:
    begun = kept_in(storage.approvals, clock, 60.0).begun
    assert [await begun.begin("call"), await begun.begin("call"), await begun.begin("other")] == [
        True,
        False,
        True,
    ]
    await storage.retention.purge()
    assert await count(database, "approvals") == 2
    clock.now += 61
    await storage.retention.purge()
    assert await count(database, "approvals") == 0


async def test_deleted_conversation_is_purged_after_the_time_in_which_it_can_be_restored(
    storage: ConversationStorage, database: Database, clock: Clock
) -> None:
    await conversation(storage, "deleted")
    await conversation(storage, "kept")
    await conversation(storage, "cut-off", "running")
    await storage.threads.write_drafts([Draft(RunKey(OWNER.thread("cut-off"), "run-cut-off"), 1, [])])
    assert await storage.threads.files.keep(RunKey(OWNER.thread("cut-off"), "run-cut-off"), b"an image")
    await storage.threads.delete(OWNER.thread("deleted"))
    await storage.threads.delete(OWNER.thread("cut-off"))
    clock.now += 599
    assert await storage.retention.purge() == 0
    await storage.threads.restore(OWNER.thread("deleted"))
    await storage.threads.delete(OWNER.thread("deleted"))
    clock.now += 601
    assert await storage.retention.purge() == 2
    with pytest.raises(ThreadNotFoundError):
        await storage.threads.restore(OWNER.thread("deleted"))
    assert (await count(database, "threads"), await count(database, "messages")) == (1, 2)
    assert (await count(database, "runs"), await count(database, "drafts")) == (1, 0)
    assert await count(database, "files") == 0


async def test_conversation_that_was_not_changed_for_too_long_is_purged_unless_it_runs(storage, clock):
    for status in ("idle", "paused", "interrupted", "failed", "running"):
        await conversation(storage, status, status)
    clock.now += 80 * DAY
    await conversation(storage, "fresh")
    clock.now += 11 * DAY
    assert await storage.retention.purge() == 4
    left, _ = await storage.threads.page(OWNER, limit=10)
    assert {thread.id for thread in left} == {"fresh", "running"}


async def test_more_conversations_than_one_transaction_takes_are_purged(storage, database, clock):
    for number in range(120):
        await storage.threads.open(OWNER, f"t{number}")
    assert await storage.threads.delete_all(OWNER) == 120
    clock.now += 700
    assert await storage.retention.purge() == 120
    assert await count(database, "threads") == 0


async def test_approvals_and_checkpoints_end_with_their_conversation(storage, database, clock):
    for thread_id in ("gone", "waits"):
        await conversation(storage, thread_id, "paused")
        await storage.approvals.open(request_of(id=thread_id, thread_id=thread_id))
        await checkpoint(storage, thread_id)
    await storage.threads.delete(OWNER.thread("gone"))
    clock.now += 700
    assert await storage.retention.purge() == 1
    assert await storage.approvals.get("gone", ALICE) is None
    assert await storage.approvals.get("waits", ALICE) is not None
    assert await count(database, "checkpoints") == 1


async def test_question_that_a_program_asks_is_purged_a_week_after_its_end(storage, database, clock):
    def members(request: ApprovalRequest) -> dict[str, Any]:
        return members_of(request) | {"prepared_by": "job"}

    asked = request_of(created_at=clock.now, expires_at=clock.now + 60)
    rows = ApprovalRows(database, storage.encryption, OF_PROGRAMS, members)
    await database.write(lambda: rows.added(ApprovalState(asked)))
    for seconds, left in ((60 + 7 * 86_400 - 1, 1), (2, 0)):
        clock.now += seconds
        await storage.retention.purge()
        assert await count(database, "approvals") == left


async def test_rounds_create_no_database(tmp_path: Path) -> None:
    database = SqliteDatabase(tmp_path / "conversations.db")
    rounds = []

    async def slept(seconds: float) -> None:
        rounds.append(seconds)
        if len(rounds) == 3:
            raise LookupError  # ends the task

    retention = Retention(database, days=1, clock=Clock(1_000_000.0), also=database.check, sleep=slept)
    retention.start()
    with pytest.raises(LookupError):
        await retention._task
    assert contents(tmp_path) == []
    await database.aclose()


@pytest.mark.promise("no-secret-leaves")
async def test_content_of_purged_conversations_is_no_longer_in_the_files(tmp_path, clock):
    database = SqliteDatabase(tmp_path / "conversations.db")
    storage = ConversationStorage(database, Encryption(), days=90, clock=clock)
    threads = storage.threads
    await threads.delete_all(OWNER)
    unfilled = sum(map(len, contents(tmp_path)))
    for number in range(40):
        message = HumanMessage(f"my salary is {number} " + "x" * 5_000)
        await threads.begin_run(RunKey(OWNER.thread(f"t{number}"), "r"), "p", messages=[message])
        await threads.end_run(RunKey(OWNER.thread(f"t{number}"), "r"), "idle")
    assert any(b"my salary" in content for content in contents(tmp_path))
    await threads.delete_all(OWNER)
    clock.now += 700
    assert await storage.retention.purge() == 40
    assert not any(b"my salary" in content for content in contents(tmp_path))
    await storage.aclose()
    [content] = contents(tmp_path)
    assert len(content) < unfilled + 50_000


@pytest.mark.promise("no-secret-leaves")
async def test_what_is_deleted_beside_other_rows_is_overwritten_by_every_build_of_sqlite(
    tmp_path: Path, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    connect = sqlite3.connect

    def connected(*args: Any, **options: Any) -> sqlite3.Connection:
        connection = connect(*args, **options)
        connection.execute("PRAGMA secure_delete = OFF")  # the default of SQLite; Debian's is ON
        return connection

    monkeypatch.setattr(sqlite3, "connect", connected)
    database = SqliteDatabase(tmp_path / "conversations.db")
    storage = ConversationStorage(database, Encryption(), days=90, clock=clock)
    for number in range(3):
        message = HumanMessage(f"canary-{number}")
        await storage.threads.begin_run(
            RunKey(OWNER.thread(f"t{number}"), f"run-t{number}"), "p", messages=[message]
        )
        await storage.threads.end_run(RunKey(OWNER.thread(f"t{number}"), f"run-t{number}"), "paused")
        await checkpoint(storage, f"t{number}", f"state-{number}")
    await storage.threads.delete(OWNER.thread("t1"))
    clock.now += 700
    assert await storage.retention.purge() == 1
    files = b"".join(contents(tmp_path))
    assert [number for number in range(3) if f"canary-{number}".encode() in files] == [0, 2]
    assert [number for number in range(3) if f"state-{number}".encode() in files] == [0, 2]
    await storage.aclose()
