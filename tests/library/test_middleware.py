"""`Identity.middleware` in an agent of LangChain's `create_agent`."""

import pytest
from langchain.agents import create_agent
from langchain_core.messages import AIMessage, ToolMessage
from langchain_core.tools import tool
from langgraph.checkpoint.memory import InMemorySaver
from langgraph.types import Command

from idaas_agent.library.middleware import IdentityMiddleware
from idaas_agent.library.tools import tools_of
from identity.errors import AccessTokenError, ApprovalError
from tests.library.called_app import (
    APPROVE,
    REJECT,
    Bank,
    CalledApp,
    Context,
    MemoryIdentity,
    ScriptedChat,
    call,
    decisions,
    edit,
    pay,
    question_of,
    results,
)
from tools.approval_policy import Effect, ToolPolicy

pytestmark = pytest.mark.promise("approval-binds", "threads-are-private")


def says(*calls: dict) -> AIMessage:
    return AIMessage("" if calls else "done", tool_calls=list(calls))


async def agent_app(
    *turns: AIMessage, bank: Bank, tools=(), policies=None, shared=False, governed=True
) -> CalledApp:
    """An agent whose model makes `turns`."""
    identity = MemoryIdentity()
    middleware = IdentityMiddleware(identity, policies or {}, shared_threads=shared)
    agent = create_agent(
        ScriptedChat(turns=list(turns)),
        [*(await tools_of(identity, [bank])), *tools],
        middleware=[middleware] if governed else [],
        context_schema=Context,
        checkpointer=InMemorySaver(),
    )
    return CalledApp(identity, agent)


HELLO = {"messages": [("user", "Do it.")]}


async def test_all_calls_of_a_response_are_one_question_that_a_plain_resume_answers():
    turn = says(pay(10, "call_1"), call("balance", "call_2"), pay(20, "call_3"))
    app = await agent_app(turn, says(), bank=(bank := Bank()))
    asked = question_of(await app.run(HELLO))
    assert [action["args"] for action in asked["action_requests"]] == [{"amount": 10}, {"amount": 20}]
    assert bank.calls == []
    state = await app.run(decisions(APPROVE, REJECT))
    assert bank.paid == [10]
    assert [results(state)[f"call_{n}"][0] for n in (1, 2, 3)] == ["success", "success", "error"]
    assert state["messages"][-1].text == "done"


async def test_edited_call_is_made_as_it_was_approved():
    app = await agent_app(says(pay(10)), says(), bank=(bank := Bank()))
    await app.run(HELLO)
    await app.run(decisions(edit(3)))
    assert bank.paid == [3]


async def test_caller_is_verified_before_the_first_call_of_the_model():
    app = await agent_app(says(), bank=Bank())
    with pytest.raises(AccessTokenError):
        await app.run(HELLO, user=None)
    assert (await app.graph.aget_state({"configurable": {"thread_id": app.thread}})).values["messages"][
        1:
    ] == []


async def test_run_of_a_revoked_caller_ends_at_its_pause():
    app = await agent_app(says(pay(10)), says(), bank=(bank := Bank()))
    await app.run(HELLO)
    app.identity.tokens.refused.add("alice-at")
    with pytest.raises(AccessTokenError):
        await app.run(decisions(APPROVE))
    assert bank.paid == []


async def test_run_of_a_caller_who_is_revoked_during_it_ends_before_the_next_response():
    bank = Bank()
    app = await agent_app(says(call("balance", "call_1")), says(), bank=bank)

    async def revokes() -> str:
        app.identity.tokens.refused.add("alice-at")
        return "5000"

    bank.answers["balance"] = revokes
    with pytest.raises(AccessTokenError):
        await app.run(HELLO)


async def test_thread_keeps_its_first_caller_and_refuses_another():
    app = await agent_app(says(), bank=Bank())
    await app.run(HELLO)
    with pytest.raises(ApprovalError):
        await app.run(HELLO, user="bob")


async def test_threads_may_be_shared():
    app = await agent_app(says(), bank=Bank(), shared=True)
    await app.run(HELLO)
    assert (await app.run(HELLO, user="bob"))["messages"][-1].text == "done"


async def test_answer_of_another_user_does_not_count_for_the_owners_next_run():
    app = await agent_app(says(pay(10)), says(), bank=(bank := Bank()))
    asked = question_of(await app.run(HELLO))
    with pytest.raises(ApprovalError):
        await app.run(decisions(APPROVE), user="bob")
    again = question_of(await app.run(None))
    assert (bank.paid, again["id"] == asked["id"]) == ([], False)
    await app.run(decisions(APPROVE))
    assert bank.paid == [10]


async def test_client_cannot_write_who_began_a_thread():
    app = await agent_app(says(), bank=Bank())
    await app.run(HELLO)
    forged = {**HELLO, "thread_caller": {"issuer": "https://idaas.example", "subject": "bob"}}
    with pytest.raises(ApprovalError):
        await app.run(forged, user="bob")


async def test_tool_of_the_application_that_no_policy_names_asks():
    sent: list[str] = []

    @tool
    async def send(to: str) -> str:
        """Sends."""
        sent.append(to)
        return "sent"

    app = await agent_app(says(call("send", "call_1", to="ann")), says(), bank=Bank(), tools=[send])
    assert question_of(await app.run(HELLO))["approvals"][0]["effect"] == "unknown"
    assert sent == []
    state = await app.run(decisions(APPROVE))
    assert (sent, results(state)["call_1"]) == (["ann"], ("success", "sent"))


async def test_rejected_call_of_the_applications_own_tool_is_not_made():
    sent: list[str] = []

    @tool
    async def send(to: str) -> str:
        """Sends."""
        sent.append(to)
        return "sent"

    app = await agent_app(says(call("send", "call_1", to="ann")), says(), bank=Bank(), tools=[send])
    await app.run(HELLO)
    assert results(await app.run(decisions(REJECT)))["call_1"][0] == "error"
    assert sent == []


async def test_tool_of_the_application_has_the_policy_of_its_name():
    @tool
    def search(words: str) -> str:
        """Searches."""
        return f"found {words}"

    policies = {"search": ToolPolicy(Effect.READ)}
    turn = says(call("search", "call_1", words="leave"))
    app = await agent_app(turn, says(), bank=Bank(), tools=[search], policies=policies)
    assert results(await app.run(HELLO))["call_1"] == ("success", "found leave")


async def test_agent_that_is_run_synchronously_names_the_asynchronous_call():
    app = await agent_app(says(), bank=Bank())
    with pytest.raises(NotImplementedError, match="ainvoke"):
        app.graph.invoke(HELLO, {"configurable": {"thread_id": "t"}})


async def test_tools_without_the_middleware_are_safe_too():
    app = await agent_app(says(pay(10)), says(), bank=(bank := Bank()), governed=False)
    question_of(await app.run(HELLO))
    await app.run(decisions(APPROVE))
    assert bank.paid == [10]


async def test_resume_after_a_restart_is_asked_anew_and_at_once():
    turn = says(pay(10, "call_1"), pay(20, "call_2"))
    app = await agent_app(turn, says(), bank=(bank := Bank()))
    await app.run(HELLO)
    app.identity.forgets()
    asked = question_of(await app.run(decisions(APPROVE, APPROVE)))
    assert (len(asked["action_requests"]), bank.paid) == (2, [])
    await app.run(decisions(APPROVE, APPROVE))
    assert sorted(bank.paid) == [10, 20]


async def test_command_of_a_tool_reaches_the_state():
    @tool
    def note(text: str) -> Command:
        """Notes."""
        return Command(update={"messages": [ToolMessage(f"noted {text}", tool_call_id="call_1")]})

    policies = {"note": ToolPolicy(Effect.READ)}
    turn = says(call("note", "call_1", text="x"))
    app = await agent_app(turn, says(), bank=Bank(), tools=[note], policies=policies)
    assert results(await app.run(HELLO))["call_1"] == ("success", "noted x")
