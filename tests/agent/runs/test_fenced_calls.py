"""A run that another process has ended makes no call that changes something, however late its key comes."""

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest

from agent.conversations.database.sqlite_database import SqliteDatabase
from agent.errors.error_codes import AgentCode
from agent.runs.heartbeat import SILENT_SECONDS
from agent.runs.live_run import LiveRun
from agent.runs.run import Finished, Paused
from graph.call_steps.fence import NOT_HELD
from graph.context import Conversation
from identity.credentials.requirement import ApiKeyRequirement
from identity.errors import AgentError, ThreadBusyError, UnavailableError
from identity.principal import Principal
from tests.agent.conversations.processes import ALICE, THREAD, Process, ProcessOf, human, in_brief
from tests.graph.echo_service import EchoService
from tests.graph.scripted_model import DONE, calls
from tools.approval_policy import ApprovalMode, Effect, ToolPolicy
from tools.service import Access, ToolResult

pytestmark = pytest.mark.promise("ended-runs-call-nothing")

PAY = calls(("pay", {"amount": 5}))
KEY = ApiKeyRequirement("bank_key")
YES = {"approved": True}


def bank(mode: ApprovalMode, effect: Effect = Effect.WRITE, kind: Any = EchoService) -> EchoService:
    service: EchoService = kind("bank", KEY, pay="paid")
    service.policies = {"pay": ToolPolicy(effect, mode)}
    return service


async def approved(one: Process, mode: ApprovalMode) -> LiveRun:
    """The run that is about to make its call, whose credential has not come yet."""
    if mode is ApprovalMode.ALLOW:
        one.bench.vault.hang.add("bank_key")
        run = await one.conversations.start(ALICE, THREAD, [human("pay ann")], streaming=True)
    else:
        [*_, end] = await one.say("pay ann")
        assert isinstance(end, Paused)
        one.bench.vault.hang.add("bank_key")
        answers = {end.pending[0].request.id: YES}
        run = await one.conversations.resume(ALICE, THREAD, answers, streaming=True)
    await one.bench.vault.waited_for.wait()
    assert isinstance(run, LiveRun)
    return run


async def interrupt(other: Process) -> None:
    """The other process has not seen the one that executes the run for too long."""
    await other.conversations.heartbeat.beat()
    for _ in range(4):
        other.now[0] += SILENT_SECONDS / 3
        await other.conversations.heartbeat.beat()
    assert await other.status() == "interrupted"


async def cancel(other: Process) -> None:
    assert await other.conversations.cancel(ALICE, THREAD)


async def delete(other: Process) -> None:
    await other.conversations.delete(ALICE, THREAD)


ENDS = [interrupt, cancel, delete]


@pytest.mark.parametrize("end", ENDS)
@pytest.mark.parametrize("mode", [ApprovalMode.ASK, ApprovalMode.ALLOW])
async def test_call_whose_credential_came_after_the_end_of_its_run_is_not_made(
    process: ProcessOf, new_database: Any, mode: ApprovalMode, end: Callable[[Process], Awaitable[None]]
) -> None:
    one = process([PAY, DONE], bank(mode), database=new_database())
    run = await approved(one, mode)
    other = process([DONE], bank(mode), name="process-2", database=new_database())
    await end(other)
    one.bench.vault.released.set()
    await asyncio.wait([run.task])
    assert one.bench.services[0].calls == []
    assert not isinstance(run.outcome, Finished | Paused)


async def test_call_that_is_asked_and_approved_again_elsewhere_is_made_once(
    process: ProcessOf, new_database: Any
) -> None:
    mode = ApprovalMode.ASK
    one = process([PAY, DONE], bank(mode), database=new_database())
    run = await approved(one, mode)
    other = process([PAY, DONE], bank(mode), name="process-2", database=new_database())
    await interrupt(other)
    again = await other.conversations.continue_(ALICE, THREAD, streaming=True)
    [*_, paused] = [event async for event in again.events()]
    assert isinstance(paused, Paused)
    answers = {paused.pending[0].request.id: YES}
    await asyncio.wait([(await other.conversations.resume(ALICE, THREAD, answers, streaming=True)).task])
    one.bench.vault.released.set()
    await asyncio.wait([run.task])
    assert (one.bench.services[0].calls, len(other.bench.services[0].calls)) == ([], 1)
    assert isinstance(run.outcome, AgentError)
    assert run.outcome.code is AgentCode.RUN_INTERRUPTED
    assert in_brief(await other.transcript())[-2:] == [("tool", "paid"), ("ai", "done")]


class RenewingBank(EchoService):
    """The first credential is refused."""

    async def call(self, tool: str, arguments: Any, access: Access) -> ToolResult:
        await access.renew(await access.credential())
        return await super().call(tool, arguments, access)


class WideningBank(EchoService):
    """The call needs a further permission."""

    async def call(self, tool: str, arguments: Any, access: Access) -> ToolResult:
        await access.stepped_up(ApiKeyRequirement("wide_key")).credential()
        return await super().call(tool, arguments, access)


@pytest.mark.parametrize(("kind", "late"), [(RenewingBank, "bank_key"), (WideningBank, "wide_key")])
async def test_call_that_has_begun_and_waits_for_another_credential_is_not_made_either(
    process: ProcessOf, kind: Any, late: str
) -> None:
    service = bank(ApprovalMode.ALLOW, kind=kind)
    one = process([PAY, DONE], service)
    vault = one.bench.vault
    vault.kept[KEY, "alice"] = await vault.obtain(KEY, service.access_identity or "Machine", ALICE)
    vault.hang.add(late)
    run = await one.conversations.start(ALICE, THREAD, [human("pay ann")], streaming=True)
    await vault.waited_for.wait()
    await interrupt(process([DONE], name="process-2"))
    vault.released.set()
    await asyncio.wait([run.task])
    assert service.calls == []


class RecordingFence:
    """Asks nobody, and records who asked; or `answer` is raised."""

    def __init__(self) -> None:
        self.asked: list[tuple[Principal, Conversation]] = []
        self.answer: AgentError | None = None

    async def check(self, principal: Principal, run: Conversation) -> None:
        self.asked.append((principal, run))
        if self.answer is not None:
            raise self.answer


async def test_call_that_reads_asks_no_database_and_one_that_changes_something_asks_once(
    process: ProcessOf,
) -> None:
    fence = RecordingFence()
    for effect, asked in ((Effect.READ, 0), (Effect.WRITE, 1), (Effect.EXTERNAL, 1)):
        one = process([PAY, DONE], bank(ApprovalMode.ALLOW, effect), asks={"fence": fence})
        await one.say("pay ann", thread=effect.value)
        assert len(one.bench.services[0].calls) == 1
        assert len(fence.asked) == asked
        fence.asked.clear()


async def test_approved_call_asks_with_the_use_of_its_approval_alone(process: ProcessOf) -> None:
    fence = RecordingFence()
    one = process([PAY, DONE], bank(ApprovalMode.ASK), asks={"fence": fence})
    [*_, end] = await one.say("pay ann")
    assert isinstance(end, Paused)
    run = await one.conversations.resume(ALICE, THREAD, {end.pending[0].request.id: YES}, streaming=True)
    await asyncio.wait([run.task])
    assert (len(one.bench.services[0].calls), fence.asked) == (1, [])


async def test_run_that_is_not_kept_has_no_conversation_to_lose(process: ProcessOf) -> None:
    fence = RecordingFence()
    fence.answer = ThreadBusyError(AgentCode.RUN_INTERRUPTED, "test")
    one = process([PAY, DONE], bank(ApprovalMode.ALLOW), asks={"fence": fence})
    reader = one.runs.start([human("pay ann")], ALICE, streaming=False)
    assert isinstance([event async for event in reader][-1], Finished)
    assert (len(one.bench.services[0].calls), fence.asked) == (1, [])


async def test_refused_call_is_a_result_of_its_own_and_counts_as_not_made(process: ProcessOf) -> None:
    fence = RecordingFence()
    fence.answer = ThreadBusyError(AgentCode.RUN_INTERRUPTED, "test")
    one = process([PAY, DONE], bank(ApprovalMode.ALLOW), asks={"fence": fence})
    events = await one.say("pay ann")
    [finished] = [each for each in events if isinstance(each, dict) and each["type"] == "tool_finished"]
    assert (finished["called"], finished["result"], finished["error"]) == (False, NOT_HELD, "run_interrupted")


class DatabaseThatIsAway(SqliteDatabase):
    """For writes, once it is `away`."""

    away = False

    async def batches(self, work: Any) -> Any:
        self._refuse()
        return await super().batches(work)

    async def write(self, work: Any, *, durable: bool = False) -> Any:
        self._refuse()
        return await super().write(work, durable=durable)

    def _refuse(self) -> None:
        if self.away:
            raise UnavailableError(AgentCode.CONVERSATIONS_UNAVAILABLE, "away")


@pytest.mark.parametrize("mode", [ApprovalMode.ASK, ApprovalMode.ALLOW])
async def test_process_that_cannot_ask_makes_no_call_that_changes_something(
    process: ProcessOf, tmp_path: Path, mode: ApprovalMode
) -> None:
    database = DatabaseThatIsAway(tmp_path / "conversations.db")
    one = process([PAY, DONE], bank(mode), database=database)
    run = await approved(one, mode)
    database.away = True
    one.bench.vault.released.set()
    await asyncio.wait([run.task])
    assert isinstance(run.outcome, UnavailableError)
    assert one.bench.services[0].calls == []
