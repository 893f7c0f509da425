"""A run whose beginning was stored although it failed: PostgreSQL hung, and committed it late."""

from pathlib import Path
from typing import Any

import pytest

from agent.conversations.database.sqlite_database import SqliteDatabase
from agent.errors.error_codes import AgentCode
from agent.runs.run import Finished, Paused
from identity.errors import ThreadBusyError, UnavailableError
from tests.agent.conversations.processes import ALICE, THREAD, HangingService, ProcessOf, human, in_brief
from tests.graph.echo_service import EchoService
from tests.graph.scripted_model import DONE, calls
from tools.approval_policy import ApprovalMode, Effect, ToolPolicy

pytestmark = pytest.mark.promise("heals-by-itself")


class DatabaseThatCommitsLate(SqliteDatabase):
    """What is written while it is `late` is stored, and its writer does not learn of that."""

    late = False
    fails = False
    """While it does, nothing is stored."""

    statements = 0
    """How many were sent by transactions of `write`."""

    async def write(self, work: Any, *, durable: bool = False) -> Any:
        def counted() -> Any:
            transaction = work()
            rows = None
            try:
                while True:
                    sent = transaction.send(rows)
                    self.statements += len(sent)
                    rows = yield sent
            except StopIteration as end:
                return end.value

        return await super().write(counted, durable=durable)

    async def batches(self, work: Any) -> Any:
        if self.fails:
            raise UnavailableError(AgentCode.CONVERSATIONS_UNAVAILABLE, "away")
        result = await super().batches(work)
        if self.late:
            raise UnavailableError(AgentCode.CONVERSATIONS_UNAVAILABLE, "it does not respond")
        return result


async def begun_late(process: ProcessOf, folder: Path) -> Any:
    """A process with a conversation that shows a run, which nobody executes."""
    database = DatabaseThatCommitsLate(folder / "conversations.db")
    one = process([DONE], EchoService("echo", weather="sunny"), database=database)
    database.late = True
    with pytest.raises(UnavailableError):
        await one.conversations.start(ALICE, THREAD, [human("go")], streaming=True)
    database.late = False
    assert await one.status() == "running"
    return one


async def test_next_message_is_answered_at_once(process: ProcessOf, tmp_path: Path) -> None:
    one = await begun_late(process, tmp_path)
    run = await one.conversations.start(ALICE, THREAD, [human("once more")], streaming=True)
    await run.task
    assert isinstance(run.outcome, Finished)
    assert in_brief(await one.transcript())[-1] == ("ai", "done")


async def test_it_can_be_continued_at_once(process: ProcessOf, tmp_path: Path) -> None:
    one = await begun_late(process, tmp_path)
    run = await one.conversations.continue_(ALICE, THREAD, streaming=True)
    await run.task
    assert isinstance(run.outcome, Finished)
    assert in_brief(await one.transcript()) == [("human", "go"), ("ai", "done")]


async def test_other_processes_can_continue_it_after_the_next_heartbeat(
    process: ProcessOf, tmp_path: Path
) -> None:
    one = await begun_late(process, tmp_path)
    await one.conversations.heartbeat.beat()
    assert await one.status() == "interrupted"


async def test_paused_run_that_goes_on_at_the_second_attempt_is_not_ended(
    process: ProcessOf, tmp_path: Path
) -> None:
    database, slow = DatabaseThatCommitsLate(tmp_path / "conversations.db"), HangingService(pay="paid")
    slow.policies = {"pay": ToolPolicy(Effect.WRITE, ApprovalMode.ASK)}
    one = process([calls(("pay", {"amount": 5})), DONE], slow, database=database)
    run = await one.conversations.start(ALICE, THREAD, [human("pay ann")], streaming=True)
    await run.task
    assert isinstance(run.outcome, Paused)
    answers = {run.outcome.pending[0].request.id: {"approved": True}}
    database.fails = True
    with pytest.raises(UnavailableError):
        await one.conversations.resume(ALICE, THREAD, answers, streaming=True)
    database.fails = False
    again = await one.conversations.resume(ALICE, THREAD, answers, streaming=True)
    await slow.called.wait()
    await one.conversations.heartbeat.beat()
    assert await one.status() == "running"
    slow.release.set()
    await again.task
    assert isinstance(again.outcome, Finished)


async def test_runs_that_failed_to_begin_cost_a_heartbeat_no_statement_each(
    process: ProcessOf, tmp_path: Path
) -> None:
    """While PostgreSQL is away, each question is one more: the heartbeat after that must come in time."""
    database = DatabaseThatCommitsLate(tmp_path / "conversations.db")
    one = process([DONE], database=database)
    await one.say("hello")
    await one.conversations.heartbeat.beat()
    statements = []
    for number in (1, 50):
        database.fails = True
        for count in range(number):
            with pytest.raises(UnavailableError):
                await one.conversations.start(ALICE, f"t-{number}-{count}", [human("go")], streaming=True)
        database.fails, database.statements = False, 0
        await one.conversations.heartbeat.beat()
        statements.append(database.statements)
    assert statements[0] == statements[1] > 0


async def test_run_that_is_going_on_is_not_ended_by_another_that_failed_to_begin(
    process: ProcessOf, tmp_path: Path
) -> None:
    database, slow = DatabaseThatCommitsLate(tmp_path / "conversations.db"), HangingService(weather="sunny")
    one = process([calls(("weather", {})), DONE], slow, database=database)
    run = await one.conversations.start(ALICE, THREAD, [human("go")], streaming=True)
    await slow.called.wait()
    for late in (True, False):
        database.late = late
        with pytest.raises((ThreadBusyError, UnavailableError)):
            await one.conversations.start(ALICE, THREAD, [human("too")], streaming=True)
    await one.conversations.heartbeat.beat()
    assert await one.status() == "running"
    slow.release.set()
    await run.task
    assert isinstance(run.outcome, Finished)
