"""A run stays whole if its database goes back to an earlier state, as by a failover to one that lags."""

import asyncio
import base64
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from langchain_core.messages import AIMessage, ToolMessage

from agent.conversations.database.database import Row, Transaction, query
from agent.conversations.database.sqlite_database import SqliteDatabase
from agent.conversations.encryption.encryption import Encryption
from agent.conversations.owned_thread import RunKey, stored_owner
from agent.errors.error_codes import AgentCode
from agent.runs.run import Cancelled
from agent.runs.stored_ends import StoredEnds
from identity.access_token.sealed_caller import SealingKeys
from identity.errors import ConfigurationError, UnavailableError
from tests.agent.conversations.processes import ALICE, THREAD, HangingService, ProcessOf, human, in_brief
from tests.graph.echo_service import EchoService
from tests.graph.scripted_model import DONE, calls

CALL = calls(("weather", {}))
WHOLE = ["human", "ai", "tool", "ai"]


class DatabaseThatGoesBack(SqliteDatabase):
    """Before the write `at`, it forgets those after the write `to`: the beginning of a run is the first, the
    message that calls a tool the second, the result the third, the end the fourth.
    """

    at = to = number = 0
    _threads: Sequence[Row] = ()

    async def batches(self, work: Any) -> Any:
        self.number += 1
        if self.number == self.at:
            await self.write(self.back)
        result = await super().batches(work)
        if self.number == self.to:
            sql = "SELECT last_seq, bytes, change, status, run_id, process_id, begun_at, key FROM threads"
            self._threads = await self.read(lambda: query(sql))
        return result

    def back(self) -> Transaction[None]:
        yield from query(
            "DELETE FROM messages WHERE seq > ?", max((row[0] for row in self._threads), default=0)
        )
        for row in self._threads:
            columns = (
                "last_seq = ?, bytes = ?, change = ?, status = ?, run_id = ?, process_id = ?, begun_at = ?"
            )
            yield from query(f"UPDATE threads SET {columns} WHERE key = ?", *row)  # noqa: S608 - constants
            yield from query("UPDATE runs SET state = 'working', last_seq = NULL")
        if not self._threads:
            yield from query("DELETE FROM threads")
            yield from query("DELETE FROM runs")


@pytest.fixture
def database(tmp_path: Path) -> DatabaseThatGoesBack:
    return DatabaseThatGoesBack(tmp_path / "conversations.db")


@pytest.mark.parametrize(("to", "at"), [(1, 3), (2, 4), (1, 4), (3, 4)])
async def test_messages_that_were_lost_are_written_again_in_their_order(process, database, to, at):
    database.to, database.at = to, at
    one = process([CALL, DONE], EchoService("echo", weather="sunny"), database=database)
    await (await one.conversations.start(ALICE, THREAD, [human("go")], streaming=True)).task
    assert [kind for kind, _ in in_brief(await one.transcript())] == WHOLE
    assert in_brief(await one.transcript())[-1] == ("ai", "done")
    assert await one.status() == "idle"


@pytest.mark.parametrize("to", [1, 2, 3])
async def test_end_that_was_lost_is_stored_again_at_the_next_heartbeat(process, database, to):
    database.to = to
    one = process([CALL, DONE], EchoService("echo", weather="sunny"), database=database)
    run = await one.conversations.start(ALICE, THREAD, [human("go")], streaming=True)
    await run.task
    await database.write(database.back)
    one.now[0] += 31.0  # a run that is not known would be interrupted
    assert await one.status() == "running"
    await one.conversations.heartbeat.beat()
    assert [kind for kind, _ in in_brief(await one.transcript())] == WHOLE
    assert await one.status() == "idle"
    assert await one.end(run.id) == ("completed", None)
    await one.conversations.heartbeat.beat()
    assert [kind for kind, _ in in_brief(await one.transcript())] == WHOLE


async def test_of_an_answer_that_may_be_lost_its_sealed_messages_alone_are_kept(process, database):
    encryption = Encryption(SealingKeys.of(base64.urlsafe_b64encode(bytes(range(32))).decode()))
    one = process([DONE], database=database, encryption=encryption)
    run = await one.conversations.start(ALICE, THREAD, [human("go")], streaming=True)
    await run.task
    [end] = one.conversations.ends._kept.values()
    assert end.run == run.key
    assert b"done" not in end.sealed
    messages, _ = one.threads.opened_end(run.key, end.sealed)
    assert in_brief(messages) == [("ai", "done")]
    with pytest.raises(ConfigurationError):
        one.threads.opened_end(replace(run.key, run_id="other"), end.sealed)


async def test_messages_of_a_run_beyond_the_bytes_of_a_page_are_not_taken_for_lost(process, database):
    threads = process([DONE], database=database).threads
    run = RunKey(stored_owner("alice").thread("t"), "r")
    results = [ToolMessage("x" * 6 * 1_048_576, tool_call_id=f"{n}", id=f"{n}") for n in range(5)]
    await threads.begin_run(run, "process-1", messages=[human("go")])
    assert await threads.missing(run, results) == results
    await threads.append(run, results[:4])
    assert await threads.missing(run, results) == results[4:]
    assert await threads.missing(run, results[:4]) == []


class DatabaseAway(DatabaseThatGoesBack):
    """Its writes fail while it is away."""

    away = False

    async def batches(self, work: Any) -> Any:
        if self.away:
            raise UnavailableError(AgentCode.CONVERSATIONS_UNAVAILABLE, "away")
        return await super().batches(work)


async def test_end_that_was_lost_is_kept_while_the_database_is_away_again(process, tmp_path):
    database = DatabaseAway(tmp_path / "conversations.db")
    database.to = 1
    one = process([DONE], database=database)
    await (await one.conversations.start(ALICE, THREAD, [human("go")], streaming=True)).task
    await database.write(database.back)
    database.away = True
    with pytest.raises(UnavailableError):
        await one.conversations.heartbeat.beat()
    database.away = False
    await one.conversations.heartbeat.beat()
    assert (await one.status(), in_brief(await one.transcript())[-1]) == ("idle", ("ai", "done"))


async def test_lost_end_that_cannot_be_read_prevents_no_other(process, database):
    database.to = 3
    one = process([DONE, DONE], database=database)
    for thread in ("unreadable", THREAD):
        await (await one.conversations.start(ALICE, thread, [human("go")], streaming=True)).task
    await database.write(database.back)
    kept = one.conversations.ends._kept
    key = next(iter(kept))
    kept[key] = replace(kept[key], sealed=b"\2")
    lost = "UPDATE threads SET status = 'running', process_id = 'process-1', begun_at = ?"
    await database.write(lambda: query(lost, one.now[0]))
    await one.conversations.heartbeat.beat()
    assert (await one.status(), in_brief(await one.transcript())[-1]) == ("idle", ("ai", "done"))
    assert await one.status(thread="unreadable") == "running"
    one.now[0] += 31.0
    await one.conversations.heartbeat.beat()
    assert await one.status(thread="unreadable") == "interrupted"


@pytest.mark.promise("bounded")
async def test_answers_that_may_be_lost_are_kept_within_few_bytes_the_latest_first(process, database):
    one = process([DONE], database=database)
    ends = StoredEnds(one.threads, "process-1", most_bytes=3000)
    runs = [RunKey(stored_owner("alice").thread(f"thread-{number}"), f"run-{number}") for number in range(9)]
    for run in runs:
        ends.keep(run, [AIMessage("x" * 500, id="1")], {})
    assert ends.ids() == {run.run_id for run in runs[-3:]}
    ends.keep(runs[0], [AIMessage("x" * 3000, id="1")], {})
    assert ends.ids() == set()
    assert ends._bytes == 0


async def test_answer_that_may_be_lost_is_kept_until_its_thread_has_another_run_or_is_deleted(
    process, database
):
    one = process([DONE, DONE], database=database)
    ids = []
    for text in ("go", "and now"):
        run = await one.conversations.start(ALICE, THREAD, [human(text)], streaming=True)
        await run.task
        assert one.conversations.ends.ids() == {run.id}
        ids.append(run.id)
    assert len(set(ids)) == 2
    await one.conversations.delete(ALICE, THREAD)
    assert one.conversations.ends.ids() == set()
    await (await one.conversations.start(ALICE, "thread-2", [human("go")], streaming=True)).task
    await one.conversations.delete_all(ALICE)
    assert one.conversations.ends.ids() == set()


@pytest.mark.parametrize("noticed", ["when it stores a message", "by a heartbeat"])
async def test_run_whose_beginning_was_lost_writes_nothing_and_its_reader_is_told(
    process: ProcessOf, database: DatabaseThatGoesBack, noticed: str
) -> None:
    slow = HangingService(weather="sunny")
    one = process([CALL, DONE], slow, database=database)
    run = await one.conversations.start(ALICE, THREAD, [human("go")], streaming=True)
    await slow.called.wait()
    await database.write(database.back)
    if noticed == "by a heartbeat":
        await one.conversations.heartbeat.beat()
    slow.release.set()
    await asyncio.wait([run.task])
    assert isinstance(run.outcome, UnavailableError)
    assert run.outcome.code is AgentCode.CONVERSATIONS_UNAVAILABLE
    assert await database.read(lambda: query("SELECT 1 FROM messages")) == []


@pytest.mark.parametrize("deleted", ["one", "all"])
async def test_run_whose_conversation_was_deleted_elsewhere_is_no_lost_one(
    process: ProcessOf, database: DatabaseThatGoesBack, deleted: str
) -> None:
    slow = HangingService(weather="sunny")
    one = process([CALL, DONE], slow, database=database)
    run = await one.conversations.start(ALICE, THREAD, [human("go")], streaming=True)
    await slow.called.wait()
    other = process([DONE], name="process-2").conversations
    await (other.delete(ALICE, THREAD) if deleted == "one" else other.delete_all(ALICE))
    await one.conversations.heartbeat.beat()
    slow.release.set()
    await asyncio.wait([run.task])
    assert isinstance(run.outcome, Cancelled)
