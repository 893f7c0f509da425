"""Answers as LangGraph's resume values, for LangGraph Server: no other value of a resume is a yes."""

from contextlib import suppress
from typing import Any

import pytest
from langchain_core.messages import AIMessage
from langgraph.types import Command

from graph.approvals.record import ApprovalStatus
from graph.context import AgentContext
from graph.nodes.approvals import MAX_UNUSABLE_ANSWERS
from identity.errors import ApprovalError
from identity.secrets.secret import Secret
from tests.graph.approvals.bank import ARGUMENTS, Bank, result_of
from tests.graph.approvals.conftest import ALICE, SECONDS
from tests.graph.scripted_model import DONE, calls

pytestmark = pytest.mark.promise("approval-binds")

YES = {"decisions": [{"type": "approve"}]}


def on_server(**members: Any) -> Bank:
    return Bank(**members, options={"resume_values": True})


@pytest.fixture
async def bank() -> Bank:
    """Alice is asked about one payment."""
    paused = on_server()
    await paused.ask()
    return paused


@pytest.mark.parametrize(
    "value", [YES, {"type": "approve"}, [{"type": "accept", "args": None}], {"approved": True}]
)
async def test_answer_of_every_client_approves(bank: Bank, value: object) -> None:
    messages = await bank.respond(value)
    assert (bank.paid, messages[-1].text) == ([ARGUMENTS], "done")


async def test_answer_by_the_id_of_the_interrupt_approves(bank: Bank) -> None:
    (interrupted,) = (await bank.graph.aget_state(bank.config)).interrupts
    await bank.respond({interrupted.id: YES})
    assert bank.paid == [ARGUMENTS]


async def test_edited_values_of_agent_inbox_are_converted(bank: Bank) -> None:
    edit = {"action": "pay", "args": {"amount": "4", "to": "ann"}}
    await bank.respond([{"type": "edit", "args": edit}])
    assert bank.paid == [{"amount": 4, "to": "ann"}]


NO_ANSWERS: list[object] = [
    {}, "approve", True, AIMessage("approved"), {"0" * 32: YES},
    {"type": "edit", "edited_action": {"name": "pay", "args": {"amount": "5.5", "to": "ann"}}},
    {"approved": True, "arguments": {"amount": True}},
]  # fmt: skip


@pytest.mark.parametrize("value", NO_ANSWERS)
async def test_other_values_leave_the_approval_open_and_ask_again(bank: Bank, value: object) -> None:
    asked = await bank.waiting()
    for _ in range(3):
        await bank.respond(value)
    assert bank.service.calls == []
    assert await bank.waiting() == asked
    assert (await bank.respond(YES))[-1].text == "done"
    assert bank.paid == [ARGUMENTS]


async def test_resume_with_null_leaves_the_approval_open(bank: Bank) -> None:
    asked = await bank.waiting()
    with suppress(UnboundLocalError):  # of LangGraph 1.2, before any node runs
        await bank.respond(None)
    assert bank.service.calls == []
    await bank.resume()
    assert await bank.waiting() == asked


async def test_values_that_are_no_answer_reject_the_call_in_the_end(bank: Bank) -> None:
    for _ in range(MAX_UNUSABLE_ANSWERS - 1):
        await bank.respond("go on")
        assert (await bank.waiting()).request.call_id == "call_1"
    messages = await bank.respond("go on")
    assert "declined" in result_of(messages).text
    assert bank.service.calls == []


async def test_answer_in_the_context_counts_too(bank: Bank) -> None:
    await bank.approve()
    assert bank.paid == [ARGUMENTS]


async def test_another_user_cannot_respond(bank: Bank) -> None:
    with pytest.raises(ApprovalError):
        await bank.respond(YES, token="bob-at")
    assert bank.service.calls == []


@pytest.mark.parametrize("value", [YES, {"decisions": [{"type": "reject"}]}])
async def test_value_with_a_token_that_has_just_expired_does_not_count(bank: Bank, value: object) -> None:
    asked = await bank.waiting()
    bank.bench.tokens.expires_at["alice-old-at"] = bank.now
    for _ in range(MAX_UNUSABLE_ANSWERS + 1):
        await bank.respond(value, token="alice-old-at")
    assert await bank.waiting() == asked
    assert (await bank.respond(YES))[-1].text == "done"
    assert bank.paid == [ARGUMENTS]


async def test_value_for_changed_arguments_does_not_count(bank: Bank) -> None:
    state = await bank.graph.aget_state(bank.config)
    changed = calls(("pay", {"amount": 5_000, "to": "mallory"}))
    changed.id = state.values["messages"][-1].id
    await bank.graph.aupdate_state(bank.config, {"messages": [changed]}, as_node="model")
    messages = await bank.respond(YES)
    assert "not those" in result_of(messages).text
    assert bank.service.calls == []


async def test_value_for_a_call_about_which_was_not_asked_does_not_count(bank: Bank) -> None:
    """The written response has another id, so that its call is a new one."""
    written = calls(("pay", {"amount": 5_000, "to": "mallory"})).model_copy(update={"id": "written"})
    await bank.graph.aupdate_state(
        bank.config, {"messages": [written], "accepted": {"call_1": "bank"}}, as_node="model"
    )
    await bank.respond(YES)
    assert bank.service.calls == []
    assert (await bank.waiting()).arguments == {"amount": 5_000, "to": "mallory"}


@pytest.mark.parametrize(
    "added",
    [
        {"goto": "bank"},
        {"goto": "credentials"},
        {"update": {"asking": False, "unusable_answers": -100}},
        {"update": {"accepted": {}}},
    ],
)
@pytest.mark.parametrize("value", ["go on", {"decisions": [{"type": "reject"}]}])
async def test_update_and_jump_beside_a_value_make_no_call(
    bank: Bank, added: dict[str, Any], value: object
) -> None:
    await bank.run(Command(resume=value, **added))
    assert [each.calls for each in bank.bench.services] == [[], []]


async def test_update_beside_an_approval_does_not_change_the_call(bank: Bank) -> None:
    state = await bank.graph.aget_state(bank.config)
    changed = calls(("pay", {"amount": 5_000, "to": "mallory"}))
    changed.id = state.values["messages"][-1].id
    await bank.run(Command(resume=YES, update={"messages": [changed]}))
    assert bank.paid in ([], [ARGUMENTS])


async def test_late_value_is_refused(bank: Bank) -> None:
    bank.now += SECONDS
    assert "in time" in result_of(await bank.respond(YES)).text
    assert bank.service.calls == []


async def test_same_value_again_and_to_an_older_checkpoint_makes_no_second_call(bank: Bank) -> None:
    await bank.respond(YES)
    await bank.respond(YES)
    history = [snapshot async for snapshot in bank.graph.aget_state_history(bank.config)]
    for snapshot in history:
        checkpoint = snapshot.config["configurable"]["checkpoint_id"]
        bank.bench.model.turns[:] = [DONE]
        await bank.run(Command(resume=YES), checkpoint_id=checkpoint)
    assert bank.paid == [ARGUMENTS]


async def test_rejected_call_is_not_approved_by_a_later_value(bank: Bank) -> None:
    asked = (await bank.waiting()).request
    await bank.respond({"decisions": [{"type": "reject", "message": "no"}]})
    await bank.respond(YES)
    state = await bank.store.get(asked.id, ALICE)
    assert state is not None
    assert (state.status, bank.service.calls) == (ApprovalStatus.REJECTED, [])


async def test_one_value_answers_one_call() -> None:
    bank = on_server(turns=[calls(("pay", {"amount": 1}), ("pay", {"amount": 2})), DONE])
    await bank.ask()
    await bank.respond(YES)
    assert bank.service.calls == []
    assert (await bank.waiting()).arguments == {"amount": 2}
    await bank.respond({"decisions": [{"type": "reject"}]})
    assert bank.paid == [{"amount": 1}]


async def test_thread_of_the_question_is_langgraphs_without_one_in_the_context() -> None:
    bank = on_server()
    await bank.graph.ainvoke(
        {"messages": [("user", "Pay")]}, bank.config, context=AgentContext(Secret("alice-at"))
    )
    assert (await bank.waiting()).request.thread_id == "run1"
