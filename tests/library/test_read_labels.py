"""What a conversation has read counts for its later calls, in somebody's graph too."""

import pytest
from langchain.agents import create_agent
from langchain.agents.middleware import SummarizationMiddleware
from langchain_core.messages import AIMessage, HumanMessage, RemoveMessage, ToolMessage
from langchain_core.tools import tool
from langgraph.checkpoint.memory import InMemorySaver
from langgraph.graph import END, START, MessagesState, StateGraph
from langgraph.graph.message import REMOVE_ALL_MESSAGES
from langgraph.prebuilt import ToolNode

from graph.labels.labelled_messages import labels_carried
from idaas_agent.library.app_tool import governed_tool
from idaas_agent.library.middleware import IdentityMiddleware
from idaas_agent.library.node_labels import label_source
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
from tools.approval_policy import ApprovalMode, Data, Effect, ToolPolicy, Trust
from tools.result_labels import label_result

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


SUMMARY = HumanMessage("The balance is 5000.", additional_kwargs={"lc_source": "summarization"})
"""As LangChain's middleware writes it in place of the messages before."""


async def sum_up(app: CalledApp) -> None:
    """All messages of the thread are replaced by a summary."""
    configuration = {"configurable": {"thread_id": app.thread}}
    messages = [RemoveMessage(id=REMOVE_ALL_MESSAGES), SUMMARY.model_copy()]
    await app.graph.aupdate_state(configuration, {"messages": messages}, as_node="tools")


async def test_summary_is_no_word_of_the_user():
    app = await app_with_confidential_balance()
    await app.ask(call("balance", "call_1"))
    await sum_up(app)
    question_of(await app.ask(call("search", "call_2", words="5000")))


async def test_summary_of_what_this_process_has_not_seen_may_have_whatever_tools_return():
    app = await app_with_confidential_balance()
    await app.ask(call("balance", "call_1"))
    await sum_up(app)
    labels = dict(app.identity.known_calls.read._of_tools)
    app.identity.forgets()
    app.identity.known_calls.read._of_tools.update(labels)  # as an application makes its tools at its start
    question = question_of(await app.ask(call("search", "call_2", words="5000")))
    assert question["approvals"][0]["read"] == ["client: confidential, untrusted"]


async def test_thread_of_an_agent_keeps_its_labels_when_middleware_sums_up_and_the_process_restarts():
    bank, identity = Bank(), MemoryIdentity()
    bank.policies["balance"] = ToolPolicy(Effect.READ, data=Data.CONFIDENTIAL)
    turns = [[call("balance", "call_1")], [], [call("search", "call_2", words="5000")]]
    summaries = SummarizationMiddleware(
        ScriptedChat(turns=[AIMessage("It is 5000.")]), trigger=("messages", 3), keep=("messages", 1)
    )
    agent = create_agent(
        ScriptedChat(turns=[AIMessage("", tool_calls=calls) for calls in turns]),
        [*await tools_of(identity, [bank]), governed_tool(identity, search, ALLOWED)],
        middleware=[IdentityMiddleware(identity, {}, shared_threads=False), summaries],
        context_schema=Context,
        checkpointer=InMemorySaver(),
    )
    app = CalledApp(identity, agent)
    await app.run({"messages": [("user", "My balance?")]})
    await app.run({"messages": [("user", "Thank you.")]})
    identity.forgets()
    asked = await app.run({"messages": [("user", "Search for it.")]})
    assert any(message.additional_kwargs.get("lc_source") for message in asked["messages"])
    assert not any(message.name == "balance" for message in asked["messages"])
    assert question_of(asked)["approvals"][0]["read"] == ["bank.balance: confidential"]


async def a_document() -> str:
    """Reads a document."""
    label_result(data=Data.CONFIDENTIAL)
    return "5000"


@tool(response_format="content_and_artifact")
async def a_document_with_an_artifact() -> tuple[str, str]:
    """Reads a document."""
    return await a_document(), "artifact"


@pytest.mark.parametrize("reads", [a_document, a_document_with_an_artifact])
async def test_labels_of_a_document_stay_with_its_result_after_a_restart(reads):
    identity = MemoryIdentity()
    tools = [
        governed_tool(identity, reads, ToolPolicy(Effect.READ)),
        governed_tool(identity, search, ALLOWED),
    ]
    app = CalledApp(identity, in_a_graph(ToolNode(tools), InMemorySaver()))
    name = tools[0].name
    state = await app.ask(call(name, "call_1"))
    assert results(state)["call_1"] == ("success", "5000")
    identity.forgets()
    question = question_of(await app.ask(call("search", "call_2", words="5000")))
    assert question["approvals"][0]["read"] == [f"app.{name}: confidential"]


async def test_result_of_a_labelled_tool_of_the_application_is_known_after_a_restart():
    async def salary() -> str:
        """The salary."""
        return "5000"

    identity = MemoryIdentity()
    policy = ToolPolicy(Effect.READ, data=Data.CONFIDENTIAL)
    tools = [governed_tool(identity, salary, policy), governed_tool(identity, search, ALLOWED)]
    app = CalledApp(identity, in_a_graph(ToolNode(tools), InMemorySaver()))
    assert identity.known_calls.read._unseen() == {"client": "confidential untrusted"}
    await app.ask(call("salary", "call_1"))
    identity.forgets()
    question_of(await app.ask(call("search", "call_2", words="5000")))


async def test_node_labels_what_it_retrieves():
    identity = MemoryIdentity()

    async def retrieve(_: MessagesState) -> dict[str, object]:
        label_source(identity.known_calls.read, "handbook", Data.CONFIDENTIAL, Trust.TRUSTED)
        return {}

    builder = StateGraph(MessagesState, context_schema=Context)
    builder.add_node("retrieve", retrieve)
    builder.add_node("tools", ToolNode([governed_tool(identity, search, ALLOWED)]))
    builder.add_edge(START, "retrieve")
    builder.add_edge("retrieve", "tools")
    builder.add_edge("tools", END)
    app = CalledApp(identity, builder.compile(checkpointer=InMemorySaver()))
    question = question_of(await app.ask(call("search", "call_1", words="5000")))
    assert question["approvals"][0]["read"] == ["app.handbook: confidential"]


def test_label_where_nothing_keeps_it_is_an_error():
    with pytest.raises(RuntimeError, match="needs a checkpointer"):
        label_source(MemoryIdentity().known_calls.read, "handbook", Data.CONFIDENTIAL, None)


def test_labels_that_a_message_carries_are_known_words():
    said = {"labels": {"bank.balance": "confidential public nonsense", "web.page": 5, "x": "public"}}
    message = ToolMessage("5000", tool_call_id="call_1", additional_kwargs=said)
    assert labels_carried(message) == {"bank.balance": "confidential"}
    assert labels_carried(ToolMessage("5000", tool_call_id="call_1", additional_kwargs={"labels": 5})) == {}
