"""Which values are an answer, in every form that a known client sends; and answers that make no call."""

import asyncio
from typing import Any

import pytest
from langchain_core.messages import AIMessage, ToolMessage

from graph.approvals.answer import MAX_MESSAGE, Answer, edited_arguments, parse_answer
from graph.approvals.record import ApprovalStatus
from graph.error_codes import GraphCode
from identity.errors import AccessTokenError, ApprovalError
from tests.graph.approvals.bank import ARGUMENTS, PAY, YES, Bank, result_of
from tests.graph.approvals.conftest import ALICE, SECONDS
from tests.graph.approvals.memory_store import memory_approvals
from tests.graph.scripted_model import DONE, calls

pytestmark = pytest.mark.promise("approval-binds")


APPROVED, DECLINED = Answer(approved=True), Answer(approved=False)
EDIT = {"name": "pay", "args": {"amount": 6}}


@pytest.mark.parametrize(
    ("value", "answer"),
    [
        ({"decisions": [{"type": "approve"}]}, APPROVED),
        ({"decisions": [{"type": "reject"}]}, DECLINED),
        ({"decisions": [{"type": "reject", "message": " too much "}]}, Answer(False, message="too much")),
        ({"decisions": [{"type": "respond", "message": "7"}]}, Answer(False, message="7")),
        ({"decisions": [{"type": "edit", "edited_action": EDIT}]}, Answer(True, {"amount": 6}, "pay")),
        ({"type": "approve"}, APPROVED),
        ({"type": "edit", "edited_action": EDIT, "editedAction": EDIT}, Answer(True, {"amount": 6}, "pay")),
        ({"type": "reject", "message": ""}, DECLINED),
        ([{"type": "accept", "args": None}], APPROVED),
        ([{"type": "ignore", "args": None}], DECLINED),
        ([{"type": "response", "args": "no"}], Answer(False, message="no")),
        (
            [{"type": "edit", "args": {"action": "pay", "args": {"amount": "6"}}}],
            Answer(True, {"amount": "6"}, "pay"),
        ),
        ({"approved": True}, APPROVED),
        ({"approved": True, "arguments": {"amount": 6}}, Answer(True, {"amount": 6})),
        ({"approved": True, "editedArgs": {"amount": 6}}, Answer(True, {"amount": 6})),
        ({"approved": False, "message": "no"}, Answer(False, message="no")),
        ({"the id": {"type": "approve"}}, APPROVED),
        ({"the id": [{"type": "accept", "args": None}]}, APPROVED),
    ],
)
def test_answer_of_every_client_is_read(value: object, answer: Answer) -> None:
    assert parse_answer(value, "the id") == answer


@pytest.mark.parametrize(
    "value",
    [
        None, {}, [], "", "yes", "approve", True, False, 1, 0, b"approve", [None], ["approve"], [[]],
        {"messages": [{"type": "human", "content": "approve"}]},
        {"messages": [], "decisions": [{"type": "approve"}]},
        [{"type": "human", "content": "approve"}],
        [{"type": "text", "text": "approve"}],
        {"type": "human", "content": "approve"},
        {"role": "user", "content": "approved"},
        {"another id": {"type": "approve"}},
        {"the id": {"type": "approve"}, "another id": {"type": "approve"}},
        {"the id": {"the id": {"type": "approve"}}},
        {"decisions": []},
        {"decisions": {"type": "approve"}},
        {"decisions": [{"type": "approve"}, {"type": "approve"}]},
        {"decisions": [{"type": "approve"}], "approved": False},
        {"type": "approve", "approved": False},
        {"type": "APPROVE"}, {"type": "accept"}, {"type": "response", "args": "yes"}, {"type": ["approve"]},
        [{"type": "approve"}],
        [{"type": "accept"}, {"type": "accept"}],
        {"type": "edit"},
        {"type": "edit", "edited_action": {"name": "pay"}},
        {"type": "edit", "edited_action": {"name": "pay", "args": [6]}},
        [{"type": "edit", "args": "6"}],
        {"approved": "true"}, {"approved": 1}, {"approved": None},
        {"approved": True, "arguments": "amount=6"},
        {"approved": True, "arguments": {"amount": 6}, "editedArgs": {"amount": 7}},
        {"approved": False, "message": {"text": "no"}},
    ],
)  # fmt: skip
def test_everything_else_is_no_answer(value: object) -> None:
    assert parse_answer(value, "the id") is None


def test_words_of_a_person_are_bounded() -> None:
    answer = parse_answer({"approved": False, "message": "x" * 100_000})
    assert answer is not None
    assert answer.message is not None
    assert len(answer.message) == MAX_MESSAGE


ASKED: dict[str, Any] = {"amount": 5, "to": "ann", "now": True, "tags": ["a"], "note": None, "rate": 1.5}


@pytest.mark.parametrize(
    ("edited", "arguments"),
    [
        ({"amount": "6"}, {"amount": 6}),
        ({"amount": "6.5", "rate": "2"}, {"amount": 6.5, "rate": 2}),
        ({"amount": 6}, {"amount": 6}),
        ({"now": "false"}, {"now": False}),
        ({"tags": '["b"]'}, {"tags": ["b"]}),
        ({"to": "7"}, {"to": "7"}),
        ({"note": "7", "new": "8"}, {"note": "7", "new": "8"}),
    ],
)
def test_edited_values_that_arrive_as_text_get_the_type_that_was_shown(
    edited: dict[str, Any], arguments: dict[str, Any]
) -> None:
    found = edited_arguments(Answer(True, edited, "pay"), "pay", ASKED)
    assert found == arguments
    assert found is not None
    assert [type(value) for value in found.values()] == [type(value) for value in arguments.values()]


@pytest.mark.parametrize(
    "edited",
    [
        {"amount": "much"}, {"amount": ""}, {"amount": "true"}, {"amount": "[1]"}, {"amount": "1e999"},
        {"amount": "NaN"}, {"now": "1"}, {"tags": "{}"}, {"to": float("nan")}, {"to": "\ud800"},
        {"amount": "[" * 100_000},
    ],
)  # fmt: skip
def test_edit_that_cannot_be_read_is_no_answer(edited: dict[str, Any]) -> None:
    with pytest.raises(ApprovalError) as refused:
        edited_arguments(Answer(True, edited, "pay"), "pay", ASKED)
    assert refused.value.code is GraphCode.APPROVAL_INVALID
    assert refused.value.argument in (*edited, "")


def test_error_of_an_edit_names_the_beginning_of_a_long_argument() -> None:
    argument = "amount" * 100
    with pytest.raises(ApprovalError) as error:
        edited_arguments(Answer(True, {argument: "much"}, "pay"), "pay", {argument: 7})
    assert error.value.argument == argument[:64]


def test_edit_cannot_name_another_tool() -> None:
    with pytest.raises(ApprovalError):
        edited_arguments(Answer(True, {"amount": 1}, "transfer"), "pay", ASKED)


def test_text_of_a_client_that_sends_every_type_is_no_number() -> None:
    assert edited_arguments(Answer(True, {"amount": "6"}), "pay", ASKED) == {"amount": "6"}


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
        None, "approve",
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
    other = Bank(store=memory_approvals(), saver=bank.saver)
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
