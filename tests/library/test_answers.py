"""Answers to questions: each counts for the call, the user and the arguments that were asked about."""

import asyncio

import pytest
from langchain_core.messages import AIMessage, HumanMessage
from langgraph.errors import NodeCancelledError
from langgraph.prebuilt import ToolNode
from langgraph.types import Command, interrupt

from idaas_agent.library.app_tool import governed_tool
from idaas_agent.library.tools import tools_of
from identity.errors import AccessTokenError
from identity.secrets.secret import Secret
from tests.library.called_app import (
    APPROVE,
    REJECT,
    SCOPE,
    Bank,
    Context,
    call,
    called_app,
    decisions,
    edit,
    in_a_graph,
    pay,
    question_of,
    results,
)
from tools.approval_policy import ApprovalMode, Effect, ToolPolicy

pytestmark = pytest.mark.promise("approval-binds")


def two_payments() -> list[dict]:
    return [pay(10, "call_1"), pay(20, "call_2")]


async def test_questions_of_one_node_are_answered_one_after_another():
    app = await called_app(bank := Bank())
    first = question_of(await app.ask(*two_payments()))["action_requests"][0]["args"]["amount"]
    second = question_of(await app.run(decisions(APPROVE)))["action_requests"][0]["args"]["amount"]
    state = await app.run(decisions(APPROVE))
    assert {first, second} == {10, 20}
    assert sorted(bank.paid) == [10, 20]
    assert set(results(state).values()) == {("success", "paid")}


async def test_rejection_counts_for_the_call_that_was_asked_about_whatever_comes_first():
    """When the step begins, call 2 comes first, and is asked about; at the resume call 1 does."""
    bank, second_asked = Bank(), asyncio.Event()
    real = bank.argument_faults

    async def faults(tool, arguments, access):
        if arguments["amount"] == 10 and not second_asked.is_set():
            await second_asked.wait()
        return await real(tool, arguments, access)

    bank.argument_faults = faults
    app = await called_app(bank)
    asked = question_of(await app.ask(*two_payments()))
    second_asked.set()
    assert [action["args"]["amount"] for action in asked["action_requests"]] == [20]
    asked = question_of(await app.run(decisions(REJECT)))
    assert [action["args"]["amount"] for action in asked["action_requests"]] == [10]
    state = await app.run(decisions(APPROVE))
    assert bank.paid == [10]
    assert results(state)["call_1"] == ("success", "paid")
    assert results(state)["call_2"][0] == "error"


async def test_call_that_was_approved_and_made_does_not_shift_the_answers_of_others():
    app = await called_app(bank := Bank())
    await app.ask(pay(1, "call_1"), pay(2, "call_2"), pay(3, "call_3"))
    await app.run(decisions(APPROVE))
    second = question_of(await app.run(decisions(REJECT)))["action_requests"][0]["args"]["amount"]
    state = await app.run(decisions(APPROVE))
    assert len(bank.paid) == 2
    assert second in bank.paid
    assert sorted(status for status, _ in results(state).values()) == ["error", "success", "success"]


async def test_read_beside_a_question_is_made_once():
    app = await called_app(bank := Bank())
    await app.ask(call("balance", "call_1"), pay(50, "call_2"))
    state = await app.run(decisions(APPROVE))
    assert [tool for tool, *_ in bank.calls] == ["balance", "pay"]
    assert set(results(state)) == {"call_1", "call_2"}


async def test_slow_read_that_outlives_the_pause_is_made_once():
    ready = asyncio.Event()

    async def balance() -> str:
        await ready.wait()
        return "5000"

    app = await called_app(bank := Bank(balance=balance))
    await app.ask(call("balance", "call_1"), pay(50, "call_2"))
    resumed = asyncio.create_task(app.run(decisions(APPROVE)))
    await asyncio.sleep(0)
    ready.set()
    assert results(await resumed)["call_1"] == ("success", "5000")
    assert [tool for tool, *_ in bank.calls] == ["balance", "pay"]


async def test_slow_write_that_outlives_the_pause_is_made_once():
    ready = asyncio.Event()

    async def paid() -> str:
        await ready.wait()
        return "paid"

    bank = Bank(pay=paid)
    app = await called_app(bank)
    await app.ask(pay(10, "call_1"), pay(20, "call_2"))
    await app.run(decisions(APPROVE))  # one is being paid while the other is asked about
    resumed = asyncio.create_task(app.run(decisions(APPROVE)))
    await asyncio.sleep(0)
    ready.set()
    assert set(results(await resumed).values()) == {("success", "paid")}
    assert sorted(bank.paid) == [10, 20]


async def test_answer_to_a_tools_own_question_is_none_to_one_that_was_not_shown():
    """Both interrupt one node: LangGraph shows the first one, and hands its answer to whoever comes first."""
    asked_itself = asyncio.Event()

    async def chooses() -> str:
        """Chooses."""
        asked_itself.set()
        return str(interrupt("which one?"))

    bank = Bank()
    real = bank.argument_faults

    async def faults(tool, arguments, access):
        await asked_itself.wait()
        await asyncio.sleep(0.01)
        return await real(tool, arguments, access)

    bank.argument_faults = faults
    app = await called_app(bank)
    tools = [
        governed_tool(app.identity, chooses, ToolPolicy(Effect.READ)),
        *await tools_of(app.identity, [bank]),
    ]
    app.graph = in_a_graph(ToolNode(tools), app.graph.checkpointer)
    state = await app.ask(call("chooses", "call_1"), pay(50, "call_2"))
    assert state["__interrupt__"][0].value == "which one?"
    await asyncio.sleep(0.05)
    await app.run(decisions(APPROVE))
    assert bank.paid == []


async def test_all_calls_of_a_step_are_asked_about_at_once_before_any_runs():
    app = await called_app(bank := Bank(), together=True)
    asked = question_of(await app.ask(call("balance", "call_0"), *two_payments()))
    assert [action["args"] for action in asked["action_requests"]] == [{"amount": 10}, {"amount": 20}]
    assert len(asked["review_configs"]) == len(asked["approvals"]) == 2
    assert bank.calls == []
    state = await app.run(decisions(APPROVE, edit(5)))
    assert sorted(bank.paid) == [5, 10]
    assert {status for status, _ in results(state).values()} == {"success"}


async def test_resume_by_the_interrupts_id_binds():
    app = await called_app(bank := Bank())
    state = await app.ask(pay(50))
    (asked,) = state["__interrupt__"]
    await app.run(Command(resume={asked.id: {"decisions": [APPROVE]}}))
    assert bank.paid == [50]


async def test_resume_by_another_interrupts_id_is_no_answer():
    app = await called_app(bank := Bank())
    await app.ask(pay(50))
    await app.run(Command(resume={"0" * 32: {"decisions": [APPROVE]}}))
    assert bank.paid == []


async def test_answer_with_the_questions_id_counts():
    app = await called_app(bank := Bank())
    asked = question_of(await app.ask(pay(50)))
    await app.run(decisions(APPROVE, id=asked["id"]))
    assert bank.paid == [50]


async def test_answer_to_another_question_calls_nothing_and_the_model_reads_why():
    app = await called_app(bank := Bank())
    await app.ask(pay(50))
    status, text = results(await app.run(decisions(APPROVE, id="f" * 32)))["call_1"]
    assert (status, bank.paid) == ("error", [])
    assert "another question" in text


@pytest.mark.parametrize(
    "answer", ["yes", True, {}, {"decisions": []}, {"decisions": [APPROVE, APPROVE]}, [1]]
)
async def test_what_is_no_answer_is_asked_for_again(answer):
    app = await called_app(bank := Bank())
    asked = question_of(await app.ask(pay(50)))
    again = question_of(await app.run(Command(resume=answer)))
    assert (again["id"], bank.paid) == (asked["id"], [])
    await app.run(decisions(APPROVE))
    assert bank.paid == [50]


async def test_resume_by_another_user_calls_nothing_and_the_model_reads_why():
    app = await called_app(bank := Bank())
    await app.ask(pay(50))
    status, text = results(await app.run(decisions(APPROVE), user="bob"))["call_1"]
    assert (status, bank.paid) == ("error", [])
    assert "another user" in text
    assert "approval_decided" not in [action for action, _ in app.identity.records.outcomes]


async def test_answer_of_a_caller_who_was_not_verified_does_not_count_for_the_next_run():
    """LangGraph keeps the value in the checkpoint: whoever continues the run would give it."""
    app = await called_app(bank := Bank())
    asked = question_of(await app.ask(pay(50)))
    app.identity.tokens.refused.add("mallory-at")
    with pytest.raises(AccessTokenError):
        await app.run(decisions(APPROVE), user="mallory")
    again = question_of(await app.run(None))
    assert bank.paid == []
    assert again["id"] != asked["id"]
    await app.run(decisions(APPROVE))
    assert bank.paid == [50]


async def test_changed_arguments_are_not_those_that_were_approved():
    app = await called_app(bank := Bank())
    await app.ask(pay(50))
    config = {"configurable": {"thread_id": app.thread}}
    message = (await app.graph.aget_state(config)).values["messages"][-1]
    changed = AIMessage("", id=message.id, tool_calls=[pay(900)])
    state = await app.run(Command(resume={"decisions": [APPROVE]}, update={"messages": [changed]}))
    assert bank.paid == []
    assert [status for status, _ in results(state).values()] in (["error"], [])


async def test_answer_after_its_time_calls_nothing_and_the_model_reads_why():
    app = await called_app(bank := Bank())
    await app.ask(pay(50))
    app.identity.clock.advance(601)
    status, text = results(await app.run(decisions(APPROVE)))["call_1"]
    assert (status, bank.paid) == ("error", [])
    assert "in time" in text


async def test_policy_that_has_come_to_deny_the_call_counts():
    app = await called_app(bank := Bank())
    await app.ask(pay(50))
    bank.policies["pay"] = ToolPolicy(Effect.WRITE, ApprovalMode.DENY)
    status, _ = results(await app.run(decisions(APPROVE)))["call_1"]
    assert (status, bank.paid) == ("error", [])


async def test_policy_that_has_come_to_ask_somebody_else_counts():
    app = await called_app(bank := Bank())
    await app.ask(pay(50))
    bank.policies["pay"] = ToolPolicy(Effect.WRITE, ApprovalMode.ASK, approvers="managers")
    status, text = results(await app.run(decisions(APPROVE)))["call_1"]
    assert (status, bank.paid) == ("error", [])
    assert "another person" in text


async def test_second_resume_of_the_same_checkpoint_calls_nothing():
    app = await called_app(bank := Bank())
    await app.ask(pay(50))
    paused = (await app.graph.aget_state({"configurable": {"thread_id": app.thread}})).config
    await app.run(decisions(APPROVE))
    await app.run(decisions(APPROVE), checkpoint_id=paused["configurable"]["checkpoint_id"])
    assert bank.paid == [50]


async def test_calls_of_different_messages_with_one_id_are_different_calls():
    app = await called_app(bank := Bank())
    await app.ask(pay(50))
    await app.run(decisions(APPROVE))
    question_of(await app.ask(pay(50)))
    await app.run(decisions(APPROVE))
    assert bank.paid == [50, 50]


async def test_after_a_restart_the_call_is_asked_about_anew():
    app = await called_app(bank := Bank())
    asked = question_of(await app.ask(pay(50)))
    app.identity.forgets()
    again = question_of(await app.run(decisions(APPROVE)))
    assert bank.paid == []
    assert again["id"] != asked["id"]
    await app.run(decisions(APPROVE))
    assert bank.paid == [50]


async def test_write_that_began_and_whose_result_is_not_known_is_not_made_again():
    bank = Bank()

    async def cancelled() -> str:
        raise asyncio.CancelledError

    bank.answers["pay"] = cancelled
    bank.policies["pay"] = ToolPolicy(Effect.WRITE, ApprovalMode.ALLOW)
    app = await called_app(bank)
    with pytest.raises(NodeCancelledError):
        await app.ask(pay(50))
    bank.answers["pay"] = "paid"
    status, text = results(await app.run(None))["call_1"]
    assert (status, bank.paid) == ("error", [50])
    assert "may already have taken effect" in text


async def test_expired_token_decides_nothing():
    app = await called_app(bank := Bank())
    await app.ask(pay(50))
    app.identity.tokens.expires_at["alice-at"] = app.identity.clock.now - 1
    question_of(await app.run(decisions(APPROVE)))
    assert bank.paid == []


async def test_twenty_users_at_once_are_never_crossed():
    app = await called_app(bank := Bank())
    users = [f"user{number}" for number in range(20)]

    async def paid(user: str, number: int) -> None:
        config = {"configurable": {"thread_id": user}}
        context = Context(Secret(f"{user}-at"))
        given = {"messages": [HumanMessage("Pay."), AIMessage("", tool_calls=[pay(number)])]}
        await app.graph.ainvoke(given, config, context=context)
        await app.graph.ainvoke(decisions(APPROVE), config, context=context)

    await asyncio.gather(*(paid(user, number) for number, user in enumerate(users)))
    made = sorted((arguments["amount"], secret) for _, arguments, secret in bank.calls)
    assert made == [(number, f"{SCOPE}-of-user{number}-0") for number in range(20)]


async def test_call_that_asks_in_a_graph_that_saves_nothing_says_what_the_graph_lacks():
    bank = Bank()
    bank.policies["pay"] = ToolPolicy(Effect.WRITE, ApprovalMode.ASK)
    app = await called_app(bank, checkpointer=False)
    status, text = results(await app.ask(pay(10)))["call_1"]
    assert (status, bank.paid) == ("error", [])
    assert text.endswith("the graph needs a checkpointer, and its run a thread_id")
