"""What a conversation has read counts for its later calls, in somebody's graph too."""

import pytest
from langchain.agents import create_agent
from langchain_core.messages import AIMessage, RemoveMessage
from langchain_core.tools import tool
from langgraph.checkpoint.memory import InMemorySaver
from langgraph.graph.message import REMOVE_ALL_MESSAGES
from langgraph.prebuilt import ToolNode

from idaas_agent.library.app_tool import governed_tool
from idaas_agent.library.tools import tools_of
from tests.library.called_app import (
    APPROVE,
    Bank,
    CalledApp,
    Context,
    MemoryIdentity,
    ScriptedChat,
    call,
    decisions,
    in_a_graph,
    question_of,
    results,
)
from tools.approval_policy import ApprovalMode, Data, Effect, ToolPolicy

pytestmark = pytest.mark.promise("confidential-data-stays")
ALLOWED = ToolPolicy(Effect.EXTERNAL, ApprovalMode.ALLOW)


async def search(words: str) -> str:
    """Searches outside."""
    return f"found {words}"


async def app_with_confidential_balance() -> CalledApp:
    bank, identity = Bank(), MemoryIdentity()
    bank.policies["balance"] = ToolPolicy(Effect.READ, data=Data.CONFIDENTIAL)
    tools = [*await tools_of(identity, [bank]), governed_tool(identity, search, ALLOWED)]
    return CalledApp(identity, in_a_graph(ToolNode(tools), InMemorySaver()))


async def test_call_that_could_carry_confidential_data_elsewhere_asks_and_says_what_was_read():
    app = await app_with_confidential_balance()
    assert results(await app.ask(call("search", "call_1", words="weather")))["call_1"][0] == "success"
    await app.ask(call("balance", "call_2"))
    question = question_of(await app.ask(call("search", "call_3", words="5000")))
    assert question["approvals"][0]["read"] == ["bank.balance: confidential"]
    assert results(await app.run(decisions(APPROVE)))["call_3"] == ("success", "found 5000")


async def test_labels_stay_when_the_messages_are_removed():
    app = await app_with_confidential_balance()
    await app.ask(call("balance", "call_1"))
    configuration = {"configurable": {"thread_id": app.thread}}
    removed = {"messages": [RemoveMessage(id=REMOVE_ALL_MESSAGES)]}
    await app.graph.aupdate_state(configuration, removed, as_node="tools")
    question_of(await app.ask(call("search", "call_2", words="5000")))


async def test_labels_follow_from_the_messages_after_a_restart():
    app = await app_with_confidential_balance()
    await app.ask(call("balance", "call_1"))
    labels = dict(app.identity.known_calls.read._of_tools)
    app.identity.forgets()
    app.identity.known_calls.read._of_tools.update(labels)  # as an application makes its tools at its start
    question_of(await app.ask(call("search", "call_2", words="5000")))


async def test_question_of_a_sub_agent_is_not_what_its_user_has_written():
    """The model of the outer agent wrote it: with it, the model could carry what was read."""
    app = await app_with_confidential_balance()
    identity = app.identity
    asked = AIMessage("", tool_calls=[call("search", "call_1", words="5000")])
    inner = create_agent(
        ScriptedChat(turns=[asked, AIMessage("done")]),
        [governed_tool(identity, search, ALLOWED)],
        context_schema=Context,
    )

    @tool
    async def delegate(task: str) -> str:
        """Delegates."""
        state = await inner.ainvoke({"messages": [("user", task)]})
        return str(state["messages"][-1].text)

    read = governed_tool(identity, delegate, ToolPolicy(Effect.READ))
    delegating = CalledApp(identity, in_a_graph(ToolNode([read]), app.graph.checkpointer))
    await app.ask(call("balance", "call_1"))
    question = question_of(await delegating.ask(call("delegate", "call_2", task="search for 5000")))
    assert question["action_requests"][0]["name"] == "search"
    state = await delegating.run(decisions(APPROVE))
    assert results(state)["call_2"] == ("success", "done")
