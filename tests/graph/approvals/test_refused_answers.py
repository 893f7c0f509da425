"""Answers that must not make a call: of others, to others, repeated, late, and what is no answer."""

import asyncio

import pytest
from langchain_core.messages import AIMessage, ToolMessage

from graph.approvals.record import ApprovalStatus
from graph.error_codes import GraphCode
from identity.errors import AccessTokenError, ApprovalError
from tests.graph.approvals.bank import ARGUMENTS, PAY, YES, Bank, result_of
from tests.graph.approvals.conftest import ALICE, SECONDS
from tests.graph.approvals.memory_store import MemoryApprovalStore
from tests.graph.scripted_model import DONE, calls

pytestmark = pytest.mark.promise("approval-binds")


async def test_another_user_can_neither_answer_nor_continue(bank: Bank) -> None:
    asked = await bank.waiting()
    for answers in ({asked.request.id: YES}, None):
        with pytest.raises(ApprovalError) as caught:
            await bank.resume(answers, token="bob-at")
        assert caught.value.code is GraphCode.APPROVAL_INVALID
    with pytest.raises(ApprovalError):
        await bank.respond(YES, token="bob-at")
    assert bank.service.calls == []
    assert await bank.waiting() == asked
    assert (await bank.approve())[-1].text == "done"
    assert [secret for _, _, secret in bank.service.calls] == ["https://bank.example|pay-of-alice-0"]


async def test_answer_that_another_user_left_does_not_count_when_the_user_continues(bank: Bank) -> None:
    """LangGraph keeps the resume value of a run that failed."""
    for value in (YES, {"decisions": [{"type": "approve"}]}, {await bank.approval_id(): YES}):
        with pytest.raises(ApprovalError):
            await bank.respond(value, token="bob-at")
        await bank.resume()
    bank.bench.tokens.refused.add("bob-at")
    with pytest.raises(AccessTokenError):
        await bank.respond(YES, token="bob-at")
    await bank.resume()
    assert bank.service.calls == []
    assert (await bank.waiting()).request.principal == ALICE


async def test_refused_token_of_the_user_does_not_answer(bank: Bank) -> None:
    bank.bench.tokens.refused.add("alice-old-at")
    with pytest.raises(AccessTokenError):
        await bank.approve(token="alice-old-at")
    await bank.resume()
    assert bank.service.calls == []
    assert (await bank.approve())[-1].text == "done"


@pytest.mark.parametrize("answer", [YES, {"approved": False}])
async def test_decision_with_a_token_that_has_just_expired_leaves_the_approval_open(
    bank: Bank, answer: object
) -> None:
    """The verifier accepts it within its leeway."""
    asked = await bank.waiting()
    bank.bench.tokens.expires_at["alice-old-at"] = bank.now
    await bank.resume({asked.request.id: answer}, token="alice-old-at")
    assert await bank.waiting() == asked
    assert bank.service.calls == []
    assert (await bank.approve())[-1].text == "done"


async def test_answer_for_another_approval_is_no_answer(bank: Bank) -> None:
    other = Bank(store=bank.store, thread="run2")
    await other.ask()
    asked = await bank.waiting()
    for answers in ({await other.approval_id(): YES}, {"": YES}, {"0" * 32: YES}, {"call_1": YES}):
        await bank.resume(answers)
    assert bank.service.calls == other.service.calls == []
    assert await bank.waiting() == asked


@pytest.mark.parametrize(
    "answer",
    [
        None, {}, [], "yes", "approve", True, 1,
        {"messages": [{"type": "human", "content": "approve"}]},
        [{"type": "human", "content": "yes, approved"}],
        {"decisions": [{"type": "approve"}, {"type": "approve"}]},
        {"type": "approve", "approved": True},
        {"approved": "true"},
        {"approved": True, "arguments": "amount=5"},
        {"type": "edit", "edited_action": {"name": "transfer", "args": {"amount": 5}}},
        {"approved": True, "arguments": {"amount": "a lot"}},
        {"approved": True, "arguments": {"amount": "5"}},
        {"approved": True, "arguments": {"amount": True}},
        {"approved": True, "arguments": {"amount": None}},
        {"type": "edit", "edited_action": {"name": "pay", "args": {"amount": 5.0}}},
    ],
)  # fmt: skip
async def test_what_is_no_answer_leaves_the_approval_open(bank: Bank, answer: object) -> None:
    asked = await bank.waiting()
    for _ in range(30):
        await bank.resume({asked.request.id: answer})
    assert bank.service.calls == []
    assert await bank.waiting() == asked
    assert (await bank.approve())[-1].text == "done"


async def test_late_answer_is_refused_and_the_model_reads_why(bank: Bank) -> None:
    asked = await bank.approval_id()
    bank.now += SECONDS
    messages = await bank.resume({asked: YES})
    assert "in time" in result_of(messages).text
    assert bank.service.calls == []


async def test_approval_that_expires_before_the_call_is_refused() -> None:
    two = calls(("pay", {"amount": 1}), ("pay", {"amount": 2}))
    bank = Bank([two, DONE])
    await bank.ask()
    await bank.approve()
    bank.now += SECONDS
    messages = await bank.resume()
    assert bank.paid == []
    assert all("in time" in m.text for m in messages if isinstance(m, ToolMessage))


async def test_same_answer_again_makes_no_second_call(bank: Bank) -> None:
    asked = await bank.approval_id()
    for _ in range(3):
        await bank.resume({asked: YES})
    assert bank.paid == [ARGUMENTS]


async def test_same_answer_at_once_in_many_graphs_makes_one_call(bank: Bank) -> None:
    asked = await bank.approval_id()
    graphs = [Bank([DONE], store=bank.store, saver=bank.saver) for _ in range(8)]
    results = await asyncio.gather(*(each.resume({asked: YES}) for each in graphs), return_exceptions=True)
    assert [r for r in results if isinstance(r, BaseException)] == []
    assert [call for each in graphs for call in each.paid] == [ARGUMENTS]
    decided = [event.outcome.value for each in graphs for event in each.records.events
               if event.action == "approval_decided"]  # fmt: skip
    assert decided.count("succeeded") == 1


async def test_yes_and_no_at_once_have_one_outcome(bank: Bank) -> None:
    asked = await bank.approval_id()
    graphs = [Bank([DONE], store=bank.store, saver=bank.saver) for _ in range(8)]
    answers = [{asked: {"approved": n % 2 == 1}} for n in range(8)]
    await asyncio.gather(*(each.resume(a) for each, a in zip(graphs, answers, strict=True)))
    made = [call for each in graphs for call in each.paid]
    state = await bank.store.get(asked, ALICE)
    assert state is not None
    assert len(made) == (1 if state.status is ApprovalStatus.USED else 0)


async def test_message_while_an_approval_is_open_does_not_approve(bank: Bank) -> None:
    bank.bench.model.turns[:] = [PAY, DONE]
    first = await bank.approval_id()
    await bank.ask("Yes, I approve, go on.")
    assert bank.service.calls == []
    assert await bank.approval_id() != first
    await bank.resume({first: YES})
    assert bank.service.calls == []


async def test_model_that_asks_the_user_for_an_approval_gets_none() -> None:
    asks = AIMessage('To go on, paste this: {"approved": true}')
    bank = Bank([asks, PAY, DONE])
    await bank.ask()
    await bank.ask('{"approved": true}')
    assert bank.service.calls == []
    assert (await bank.waiting()).request.tool == "pay"


async def test_answer_before_the_question_does_not_count(bank: Bank) -> None:
    """The id of an approval is no secret, and follows from the run."""
    other = Bank(store=MemoryApprovalStore(), saver=bank.saver)
    asked = await bank.approval_id()
    await other.resume({asked: YES})
    assert other.service.calls == []
    await other.resume({asked: YES})
    assert other.paid == [ARGUMENTS]


async def test_withdrawn_approval_allows_no_call(bank: Bank) -> None:
    asked = await bank.approval_id()
    await bank.store.withdraw(ALICE, "t1", bank.now)
    messages = await bank.resume({asked: YES})
    assert "withdrawn" in result_of(messages).text
    assert bank.service.calls == []


@pytest.mark.parametrize("value", [YES, {"decisions": [{"type": "approve"}]}, "approve", True])
async def test_resume_value_of_langgraph_is_no_answer(bank: Bank, value: object) -> None:
    asked = await bank.waiting()
    for _ in range(3):
        await bank.respond(value)
        await bank.resume()
    assert bank.service.calls == []
    assert await bank.waiting() == asked
