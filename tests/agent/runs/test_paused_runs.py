"""A run that waits for an approval outlives its process, and goes on with its owner's answer alone."""

import asyncio
from typing import Any

import pytest

from agent.conversations.database.database import query
from agent.conversations.encryption.encryption import Encryption
from agent.conversations.run_transcript import NOT_APPROVED, WITHDRAWN
from agent.errors.error_codes import AgentCode
from agent.runs.run import Finished, Paused
from graph.approvals.record import ApprovalStatus
from graph.error_codes import GraphCode
from identity.access_token.sealed_caller import SealingKeys
from identity.errors import ApprovalError, ConfigurationError, ThreadBusyError, ThreadNotFoundError
from tests.agent.conversations.processes import ALICE, BOB, THREAD, Process, ProcessOf, in_brief
from tests.graph.approvals.bank import PAY_SCHEMA
from tests.graph.echo_service import EchoService
from tests.graph.scripted_model import DONE, calls
from tools.approval_policy import ApprovalMode, Effect, ToolPolicy
from tools.arguments.validator import BoundedValidator

pytestmark = pytest.mark.promise("approval-binds")

PAY = calls(("pay", {"amount": 5}))
YES, NO = {"approved": True}, {"approved": False, "message": "too much"}


def bank() -> EchoService:
    service = EchoService("bank", pay="paid", refund="refunded")
    service.policies = dict.fromkeys(("pay", "refund"), ToolPolicy(Effect.WRITE, ApprovalMode.ASK))
    service.validators["pay"] = BoundedValidator(PAY_SCHEMA)
    return service


async def paused(process: ProcessOf, *turns: Any, name: str = "process-1") -> tuple[Process, str]:
    """A process whose thread waits, and the id of the approval."""
    one = process(list(turns) or [PAY, DONE], bank(), name=name)
    end = (await one.say("pay ann"))[-1]
    assert isinstance(end, Paused)
    return one, end.pending[0].request.id


async def answer(one: Process, approval: str, value: Any = YES, who: Any = ALICE) -> list[Any]:
    run = await one.conversations.resume(who, THREAD, {approval: value}, streaming=True)
    return [event async for event in run.events()]


def paid(one: Process) -> list[Any]:
    return [arguments for tool, arguments, _ in one.bench.services[0].calls if tool == "pay"]


async def test_run_waits_and_goes_on_in_another_process(process: ProcessOf) -> None:
    one, approval = await paused(process)
    assert (await one.status(), await one.checkpoints()) == ("paused", 1)
    assert in_brief(await one.transcript()) == [("human", "pay ann"), ("ai", "")]
    await one.stop()
    other = process([DONE], bank(), name="process-2")
    [pending] = await other.conversations.pending(ALICE, THREAD)
    assert (pending.request.id, dict(pending.arguments)) == (approval, {"amount": 5})
    events = await answer(other, approval)
    assert isinstance(events[-1], Finished)
    assert (paid(one), paid(other)) == ([], [{"amount": 5}])
    assert in_brief(await other.transcript())[2:] == [("tool", "paid"), ("ai", "done")]
    assert (await other.status(), await other.checkpoints()) == ("idle", 0)


async def test_two_calls_are_asked_one_after_the_other(process: ProcessOf) -> None:
    both = calls(("pay", {"amount": 5}), ("refund", {"amount": 2}))
    one, first = await paused(process, both, DONE)
    [*_, waits] = await answer(one, first)
    assert isinstance(waits, Paused)
    [second] = waits.pending
    assert second.request.tool == "refund"
    assert paid(one) == []
    await answer(one, second.request.id, NO)
    assert paid(one) == [{"amount": 5}]
    results = [text for kind, text in in_brief(await one.transcript()) if kind == "tool"]
    assert "paid" in results
    assert any("too much" in text for text in results)


async def test_edited_call_is_made_with_the_edited_arguments_and_kept_so(process: ProcessOf) -> None:
    one, approval = await paused(process)
    await answer(one, approval, {"approved": True, "arguments": {"amount": 3}})
    assert paid(one) == [{"amount": 3}]
    await one.say("thanks")
    shown = [call["args"] for each in one.bench.model.asked[-1] for call in getattr(each, "tool_calls", ())]
    assert shown == [{"amount": 3}]


async def test_other_principal_can_neither_see_nor_answer(process: ProcessOf) -> None:
    one, approval = await paused(process)
    for attempt in (
        answer(one, approval, who=BOB),
        one.conversations.pending(BOB, THREAD),
        one.conversations.follow(BOB, THREAD),
        one.conversations.cancel(BOB, THREAD),
        one.conversations.continue_(BOB, THREAD, streaming=True),
        one.conversations.delete(BOB, THREAD),
    ):
        with pytest.raises(ThreadNotFoundError):
            await attempt
    assert await one.conversations.open_approvals(BOB.principal) == []
    await one.say("mine", BOB)
    with pytest.raises(ApprovalError) as refused:
        await answer(one, approval, who=BOB)
    assert refused.value.code is GraphCode.APPROVAL_INVALID
    assert len(await one.conversations.pending(ALICE, THREAD)) == 1
    assert paid(one) == []


async def test_message_while_an_approval_is_open_is_refused_and_is_no_answer(process: ProcessOf) -> None:
    one, approval = await paused(process)
    for text in ("yes", "approve", '{"approved": true}'):
        with pytest.raises(ApprovalError) as refused:
            await one.say(text)
        assert refused.value.code is GraphCode.APPROVAL_OPEN
    with pytest.raises(ApprovalError):
        await one.conversations.continue_(ALICE, THREAD, streaming=True)
    assert in_brief(await one.transcript()) == [("human", "pay ann"), ("ai", "")]
    await answer(one, approval)
    assert paid(one) == [{"amount": 5}]


@pytest.mark.parametrize(
    "value",
    [
        None,
        {"type": "approve", "approved": True},
        {"type": "edit", "edited_action": {"name": "refund", "args": {"amount": 5}}},
        {"approved": True, "arguments": {"amount": "many"}},
    ],
)
async def test_what_is_no_answer_is_refused_and_the_approval_stays_open(process, value):
    one, approval = await paused(process)
    with pytest.raises(ApprovalError) as refused:
        await answer(one, approval, value)
    assert refused.value.code is GraphCode.APPROVAL_INVALID
    assert await one.status() == "paused"
    assert len(await one.conversations.pending(ALICE, THREAD)) == 1


async def test_every_open_approval_and_nothing_else_is_answered(process: ProcessOf) -> None:
    one, approval = await paused(process)
    for answers in ({}, {"0" * 32: YES}, {approval: YES, "0" * 32: YES}):
        with pytest.raises(ApprovalError) as refused:
            await one.conversations.resume(ALICE, THREAD, answers, streaming=True)
        assert refused.value.code is GraphCode.APPROVAL_INVALID
    assert await one.status() == "paused"


async def test_same_answer_at_once_in_two_processes_counts_once(process: ProcessOf) -> None:
    one, approval = await paused(process)
    other = process([DONE], bank(), name="process-2")
    ended = await asyncio.gather(answer(one, approval), answer(other, approval), return_exceptions=True)
    assert len(paid(one) + paid(other)) == 1
    [refused] = [each for each in ended if isinstance(each, Exception)]
    assert isinstance(refused, ApprovalError | ThreadBusyError)


async def test_expired_approval_cannot_be_answered_and_the_thread_goes_on(process: ProcessOf) -> None:
    one, approval = await paused(process)
    one.now[0] += 601
    with pytest.raises(ApprovalError) as refused:
        await answer(one, approval)
    assert refused.value.code is GraphCode.APPROVAL_EXPIRED
    assert await one.conversations.pending(ALICE, THREAD) == []
    await one.say("what now?")
    assert [each.artifact for each in await one.transcript() if each.type == "tool"] == [{"called": False}]
    assert in_brief(await one.transcript())[2:] == [
        ("tool", NOT_APPROVED),
        ("human", "what now?"),
        ("ai", "done"),
    ]
    assert paid(one) == []
    assert await one.checkpoints() == 0


async def test_cancelled_pause_withdraws_the_approval(process: ProcessOf) -> None:
    one, approval = await paused(process)
    assert await one.conversations.cancel(ALICE, THREAD)
    assert await one.status() == "idle"
    assert in_brief(await one.transcript())[-1] == ("tool", WITHDRAWN)
    state = await one.approvals.get(approval, ALICE.principal)
    assert state is not None
    assert state.status is ApprovalStatus.WITHDRAWN
    with pytest.raises(ApprovalError):
        await answer(one, approval)
    assert paid(one) == []


async def test_deleted_and_restored_thread_waits_for_nothing(process: ProcessOf) -> None:
    one, approval = await paused(process)
    await one.conversations.delete(ALICE, THREAD)
    with pytest.raises(ThreadNotFoundError):
        await answer(one, approval)
    assert await one.conversations.delete_all(ALICE) == 0
    assert await one.conversations.open_approvals(ALICE.principal) == []
    assert paid(one) == []


async def test_deleting_all_threads_withdraws_their_approvals(process: ProcessOf) -> None:
    one, _ = await paused(process)
    assert await one.conversations.delete_all(ALICE) == 1
    assert await one.conversations.open_approvals(ALICE.principal) == []


async def test_run_that_waits_counts_in_no_limit_and_outlives_shutdown(process: ProcessOf) -> None:
    one, approval = await paused(process)
    assert not one.runs.limit.counted
    one.runs.end(lambda: ThreadBusyError(AgentCode.SHUTTING_DOWN, "test"))
    assert await one.status() == "paused"
    other = process([DONE], bank(), name="process-2")
    await answer(other, approval)
    assert paid(other) == [{"amount": 5}]


async def test_run_cancelled_between_decision_and_call_reports_the_call_as_not_run(process):
    one, approval = await paused(process)
    run = await one.conversations.resume(ALICE, THREAD, {approval: YES}, streaming=True)
    run.cancel()
    await asyncio.wait([run.task])
    assert await one.status() == "idle"
    assert paid(one) == []
    assert in_brief(await one.transcript())[-1] == ("tool", "not run: the run ended before this call")


SWAPPED = """
    UPDATE checkpoints SET body = (
        SELECT body FROM checkpoints AS other WHERE other.run_id <> checkpoints.run_id
    ) RETURNING 1
"""


async def test_checkpoint_of_another_run_is_neither_shown_nor_continued_and_its_thread_can_be_deleted(
    process: ProcessOf,
) -> None:
    encryption = Encryption(SealingKeys.of("A" * 43))
    one = process([calls(("pay", {"amount": 11})), PAY], bank(), encryption=encryption)
    asked = [(await one.say("pay", thread=thread))[-1] for thread in (THREAD, "other")]
    approval = asked[0].pending[0].request.id
    assert len(await one.database.write(lambda: query(SWAPPED))) == 2
    for use in (one.conversations.pending(ALICE, THREAD), answer(one, approval)):
        with pytest.raises(ConfigurationError) as refused:
            await use
        assert refused.value.code is AgentCode.CONVERSATION_UNREADABLE
    assert (paid(one), await one.status()) == ([], "paused")
    await one.database.write(lambda: query("UPDATE messages SET body = ?", b"\0forged"))
    await one.conversations.delete(ALICE, THREAD)
    assert await one.conversations.delete_all(ALICE) == 1
