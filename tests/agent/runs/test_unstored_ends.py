"""The end of a run that could not be stored, because the database was away, is stored when it is back."""

import asyncio
from pathlib import Path
from typing import Any

import pytest

from agent.conversations.database.sqlite_database import SqliteDatabase
from agent.conversations.thread import MessageStoredError
from agent.errors.error_codes import AgentCode
from agent.runs.live_run import LiveRun
from agent.runs.run import Paused
from identity.errors import ConfigurationError, ThreadBusyError, UnavailableError
from tests.agent.conversations.processes import (
    ALICE,
    THREAD,
    HangingService,
    Process,
    ProcessOf,
    human,
    in_brief,
)
from tests.graph.echo_service import EchoService
from tests.graph.scripted_model import DONE, calls
from tools.approval_policy import ApprovalMode, Effect, ToolPolicy

pytestmark = pytest.mark.promise("heals-by-itself")

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


async def test_failed_run_whose_end_could_not_be_stored_can_be_continued_at_the_next_heartbeat(
    process: ProcessOf, tmp_path: Path
) -> None:
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
    assert await one.status() == "failed"
    assert in_brief(await one.transcript())[-1] == ("tool", "sunny")
    await (await one.conversations.continue_(ALICE, THREAD, streaming=True)).task
    assert in_brief(await one.transcript())[-1] == ("ai", "done")


async def pause_not_stored(process: ProcessOf, tmp_path: Path) -> Process:
    bank = EchoService("bank", pay="paid")
    bank.policies = {"pay": ToolPolicy(Effect.WRITE, ApprovalMode.ASK)}
    database = DatabaseThatGoesAway(tmp_path / "conversations.db")
    database.most = 2  # the beginning, and the message that calls the tool
    one = process([PAY, PAY, DONE], bank, database=database)
    run = await one.conversations.start(ALICE, THREAD, [human("pay ann")], streaming=True)
    await run.task
    database.most = 100
    return one


async def test_pause_that_could_not_be_stored_waits_for_its_answer_after_the_next_heartbeat(
    process: ProcessOf, tmp_path: Path
) -> None:
    one = await pause_not_stored(process, tmp_path)
    await one.conversations.heartbeat.beat()
    [asked] = await one.conversations.pending(ALICE, THREAD)
    answers = {asked.request.id: {"approved": False}}
    again = await one.conversations.resume(ALICE, THREAD, answers, streaming=True)
    await again.task
    opened = await one.conversations.open_approvals(ALICE.principal)
    assert asked.request.id not in [state.request.id for state in opened]
    assert one.bench.services[0].calls == []


async def test_approval_of_a_run_whose_pause_was_never_stored_is_withdrawn_when_it_is_continued(
    process: ProcessOf, tmp_path: Path
) -> None:
    one = await pause_not_stored(process, tmp_path)
    [lost] = await one.conversations.open_approvals(ALICE.principal)
    await one.threads.processes.interrupted_of("process-1", one.now[0])
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


class DatabaseAwayAtTheEnd(SqliteDatabase):
    """The end of a run is not stored at first: its second transaction, and `more` after it."""

    commits = False
    """Whether the first one is stored, although it fails."""
    more = 0
    writes = 0

    async def batches(self, work: Any) -> Any:
        self.writes += 1
        if not 2 <= self.writes <= 2 + self.more:
            return await super().batches(work)
        if self.commits and self.writes == 2:
            await super().batches(work)
        raise UnavailableError(AgentCode.CONVERSATIONS_UNAVAILABLE, "away")


def away_at_the_end(tmp_path: Path, *, commits: bool = False, more: int = 0) -> DatabaseAwayAtTheEnd:
    database = DatabaseAwayAtTheEnd(tmp_path / "conversations.db")
    database.commits, database.more = commits, more
    return database


async def answered(one: Process) -> LiveRun:
    """A run whose answer is whole, and not stored."""
    run = await one.conversations.start(ALICE, THREAD, [human("hello")], streaming=True)
    await asyncio.wait([run.task])
    assert isinstance(run, LiveRun)
    assert getattr(run.outcome, "code", None) is AgentCode.CONVERSATIONS_UNAVAILABLE
    return run


@pytest.mark.parametrize("commits", [False, True])
async def test_whole_answer_that_could_not_be_stored_at_first_is_the_answer_and_is_given_once(
    process: ProcessOf, tmp_path: Path, commits: bool
) -> None:
    one = process([DONE, DONE], database=away_at_the_end(tmp_path, commits=commits))
    run = await answered(one)
    await one.conversations.heartbeat.beat()
    assert (await one.status(), await one.end(run.id)) == ("idle", ("completed", None))
    [_, answer] = await one.transcript()
    assert (answer.text.strip(), answer.response_metadata["finish_reason"]) == ("done", "stop")
    with pytest.raises(MessageStoredError):
        await one.conversations.start(ALICE, THREAD, [human("hello")], streaming=True)
    with pytest.raises(ThreadBusyError) as refused:
        await one.conversations.continue_(ALICE, THREAD, streaming=True)
    assert refused.value.code is AgentCode.NOTHING_TO_CONTINUE
    assert len(one.bench.model.asked) == 1
    await one.conversations.heartbeat.beat()
    assert in_brief(await one.transcript()) == [("human", "hello"), ("ai", "done")]


async def test_answer_waits_for_a_database_that_stays_away_longer_than_ended_runs_are_kept(
    process: ProcessOf, tmp_path: Path
) -> None:
    one = process([DONE], database=away_at_the_end(tmp_path, more=2))
    run = await answered(one)
    for _ in range(2):
        await one.conversations.heartbeat.beat()
        one.conversations.live._expire(run)  # a minute has passed
        one.now[0] += 60
        assert await one.status() == "running"
    await one.conversations.heartbeat.beat()
    assert (await one.status(), in_brief(await one.transcript())[-1]) == ("idle", ("ai", "done"))
    one.conversations.live._expire(run)
    assert one.conversations.live.latest(run.key.thread) is None


async def test_end_that_comes_back_late_changes_nothing_of_a_run_that_another_process_has_ended(
    process: ProcessOf, tmp_path: Path
) -> None:
    one = process([DONE], database=away_at_the_end(tmp_path))
    run = await answered(one)
    other = process([DONE], name="process-2")
    await other.threads.processes.interrupted_of("process-1", one.now[0])
    await (await other.conversations.continue_(ALICE, THREAD, streaming=True)).task
    before = await other.transcript()
    await one.conversations.heartbeat.beat()
    assert not run.is_unstored
    assert (await other.transcript(), await other.status()) == (before, "idle")


async def test_pause_that_comes_back_late_does_not_stop_the_run_that_was_answered_elsewhere(
    process: ProcessOf, tmp_path: Path
) -> None:
    bank = EchoService("bank", pay="paid")
    bank.policies = {"pay": ToolPolicy(Effect.WRITE, ApprovalMode.ASK)}
    database = DatabaseThatFailsOnce(tmp_path / "conversations.db")
    database.commits = True  # it is paused, and its process does not know
    one = process([PAY], bank, database=database)
    run = await one.conversations.start(ALICE, THREAD, [human("pay ann")], streaming=True)
    await asyncio.wait([run.task])
    slow = HangingService(pay="paid")
    slow.name, slow.policies = "bank", bank.policies
    other = process([DONE], slow, name="process-2")
    [pending] = await other.conversations.pending(ALICE, THREAD)
    again = await other.conversations.resume(
        ALICE, THREAD, {pending.request.id: {"approved": True}}, streaming=True
    )
    await slow.called.wait()
    await one.conversations.heartbeat.beat()
    assert await other.status() == "running"
    slow.release.set()
    await asyncio.wait([again.task])
    assert (await other.status(), in_brief(await other.transcript())[-1]) == ("idle", ("ai", "done"))


class UnreadableDatabase(SqliteDatabase):
    """No end can be stored, although the database is there."""

    writes = 0

    async def batches(self, work: Any) -> Any:
        self.writes += 1
        if self.writes in (2, 3):
            raise ConfigurationError(AgentCode.CONVERSATION_UNREADABLE, ["test"])
        return await super().batches(work)


async def test_end_that_cannot_be_stored_at_all_is_an_interruption(
    process: ProcessOf, tmp_path: Path
) -> None:
    one = process([DONE], database=UnreadableDatabase(tmp_path / "conversations.db"))
    run = await one.conversations.start(ALICE, THREAD, [human("hello")], streaming=True)
    await asyncio.wait([run.task])
    await one.conversations.heartbeat.beat()
    assert await one.status() == "interrupted"
