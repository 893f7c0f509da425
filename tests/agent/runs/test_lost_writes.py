"""A run stays whole if its database goes back to an earlier state, as by a failover to one that lags."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from agent.conversations.database.database import Row, Transaction, query
from agent.conversations.database.sqlite_database import SqliteDatabase
from agent.runs.run import Cancelled
from tests.agent.conversations.processes import ALICE, THREAD, ProcessOf, human, in_brief
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
async def test_end_that_was_lost_is_stored_again_within_two_heartbeats(process, database, to):
    database.to = to
    one = process([CALL, DONE], EchoService("echo", weather="sunny"), database=database)
    run = await one.conversations.start(ALICE, THREAD, [human("go")], streaming=True)
    await run.task
    await database.write(database.back)
    one.now[0] += 31.0  # a run that is not known would be interrupted
    for _ in range(2):
        assert await one.status() == "running"
        await one.conversations.heartbeat.beat()
    assert [kind for kind, _ in in_brief(await one.transcript())] == WHOLE
    assert await one.status() == "idle"
    assert await one.end(run.id) == ("completed", None)
    await one.conversations.heartbeat.beat()
    assert [kind for kind, _ in in_brief(await one.transcript())] == WHOLE


async def test_run_whose_beginning_was_lostnumber_nothing(
    process: ProcessOf, database: DatabaseThatGoesBack
) -> None:
    database.to, database.at = 0, 3
    one = process([CALL, DONE], EchoService("echo", weather="sunny"), database=database)
    run = await one.conversations.start(ALICE, THREAD, [human("go")], streaming=True)
    await run.task
    assert isinstance(run.outcome, Cancelled)
    assert await database.read(lambda: query("SELECT 1 FROM messages")) == []
