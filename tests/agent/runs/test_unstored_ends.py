"""A run whose end could not be stored, because the database was away, is continued as soon as it is back."""

from pathlib import Path
from typing import Any

import pytest

from agent.conversations.database.sqlite_database import SqliteDatabase
from agent.errors.error_codes import AgentCode
from agent.runs.run import Paused
from identity.errors import UnavailableError
from tests.agent.conversations.processes import ALICE, THREAD, HangingService, ProcessOf, human, in_brief
from tests.graph.echo_service import EchoService
from tests.graph.scripted_model import DONE, calls
from tools.approval_policy import ApprovalMode, Effect, ToolPolicy

PAY = calls(("pay", {"amount": 5}))


class DatabaseThatGoesAway(SqliteDatabase):
    """While it is `away`, or after `most` times, no run can store anything."""

    away = False
    most = 100

    async def batches(self, work: Any) -> Any:
        self.most -= 1
        if self.away or self.most < 0:
            raise UnavailableError(AgentCode.CONVERSATIONS_UNAVAILABLE, "away")
        return await super().batches(work)


async def test_run_whose_end_could_not_be_stored_can_be_continued_at_the_next_heartbeat(process, tmp_path):
    slow = HangingService(weather="sunny")
    database = DatabaseThatGoesAway(tmp_path / "conversations.db")
    one = process([calls(("weather", {})), DONE], slow, database=database)
    run = await one.conversations.start(ALICE, THREAD, [human("go")], streaming=True)
    await slow.called.wait()
    database.away = True
    slow.release.set()
    await run.task
    assert getattr(run.outcome, "code", None) is AgentCode.CONVERSATIONS_UNAVAILABLE
    assert await one.status() == "running"
    database.away = False
    await one.conversations.heartbeat.beat()
    assert await one.status() == "interrupted"
    assert in_brief(await one.transcript())[-1] == ("tool", "sunny")
    await (await one.conversations.continue_(ALICE, THREAD, streaming=True)).task
    assert in_brief(await one.transcript())[-1] == ("ai", "done")


async def test_approval_of_a_run_whose_pause_could_not_be_stored_is_withdrawn_when_it_is_continued(
    process: ProcessOf, tmp_path: Path
) -> None:
    bank = EchoService("bank", pay="paid")
    bank.policies = {"pay": ToolPolicy(Effect.WRITE, ApprovalMode.ASK)}
    database = DatabaseThatGoesAway(tmp_path / "conversations.db")
    database.most = 2  # the beginning, and the message that calls the tool
    one = process([PAY, PAY, DONE], bank, database=database)
    run = await one.conversations.start(ALICE, THREAD, [human("pay ann")], streaming=True)
    await run.task
    [lost] = await one.conversations.open_approvals(ALICE.principal)
    database.most = 100
    await one.conversations.heartbeat.beat()
    again = await one.conversations.continue_(ALICE, THREAD, streaming=True)
    await again.task
    assert isinstance(again.outcome, Paused)
    [asked] = again.outcome.pending
    [opened] = await one.conversations.open_approvals(ALICE.principal)
    assert opened.request.id == asked.request.id != lost.request.id


class DatabaseThatFailsOnce(SqliteDatabase):
    """Its third write fails: the beginning is the first, the message that calls a tool the second."""

    writes = 0
    commits = False
    """Whether that write is stored, although it fails."""

    async def batches(self, work: Any) -> Any:
        self.writes += 1
        if self.writes == 3 and not self.commits:
            raise UnavailableError(AgentCode.CONVERSATIONS_UNAVAILABLE, "away")
        result = await super().batches(work)
        if self.writes == 3:
            raise UnavailableError(AgentCode.CONVERSATIONS_UNAVAILABLE, "away")
        return result


@pytest.mark.parametrize("commits", [False, True])
async def test_result_that_could_not_be_stored_at_first_is_stored_once_with_the_end_of_its_run(
    process: ProcessOf, tmp_path: Path, commits: bool
) -> None:
    database = DatabaseThatFailsOnce(tmp_path / "conversations.db")
    database.commits = commits
    one = process([calls(("weather", {})), DONE], EchoService("echo", weather="sunny"), database=database)
    run = await one.conversations.start(ALICE, THREAD, [human("go")], streaming=True)
    await run.task
    assert getattr(run.outcome, "code", None) is AgentCode.CONVERSATIONS_UNAVAILABLE
    assert await one.status() == "failed"
    assert [kind for kind, _ in in_brief(await one.transcript())] == ["human", "ai", "tool"]
    assert in_brief(await one.transcript())[-1] == ("tool", "sunny")
