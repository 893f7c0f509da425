"""A tool that is an agent itself: it asks the agent's model, and finds nothing of the run that called it."""

import pickle
from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from langchain_core.language_models import BaseChatModel
from langchain_core.runnables import ensure_config
from langchain_core.tools import tool
from langgraph.checkpoint.memory import InMemorySaver
from langgraph.graph import START, MessagesState, StateGraph
from langgraph.prebuilt import ToolNode, create_react_agent, tools_condition

from idaas_agent import READS, GraphCode, HTTPService, ServiceClient, ServiceError, progress
from idaas_agent.testing import AgentUnderTest, ScriptedModel, ToolsUnderTest, call
from tests.graph.nodes.test_own_nodes import reachable

SubAgent = Callable[[BaseChatModel, list[Any], str], Awaitable[str]]


def company(agent: SubAgent) -> Callable[[HTTPService, Any], None]:
    """A service whose tool `research` is `agent`, with a tool of its own: a request to the service."""

    def add(service: HTTPService, _: Any) -> None:
        @service.tool(policy=READS)
        async def research(http: ServiceClient, model: BaseChatModel, question: str) -> str:
            """Researches a question."""

            @tool
            async def payslip(month: str) -> str:
                """Gets a payslip."""
                return (await http.get("payslips", month)).text

            return await agent(model, [payslip], question)

    return add


async def react(model: BaseChatModel, tools: list[Any], question: str) -> str:
    """LangGraph's prebuilt agent; LangChain's `create_agent` is made from the same parts."""
    agent = create_react_agent(model, tools)
    return (await agent.ainvoke({"messages": [("user", question)]}))["messages"][-1].text


async def own_graph(model: BaseChatModel, tools: list[Any], question: str) -> str:
    async def think(state: MessagesState) -> dict[str, Any]:
        progress(0.5, "thinking")
        return {"messages": await model.bind_tools(tools).ainvoke(state["messages"])}

    graph = StateGraph(MessagesState).add_node("think", think).add_node("tools", ToolNode(tools))
    graph.add_edge(START, "think").add_conditional_edges("think", tools_condition).add_edge("tools", "think")
    return (await graph.compile().ainvoke({"messages": [("user", question)]}))["messages"][-1].text


def researching(*inner: Any) -> list[Any]:
    return [call("research", question="net of October?"), *inner, "done"]


@pytest.mark.parametrize("agent", [react, own_graph])
async def test_sub_agent_asks_the_agents_model_on_record_and_its_service_as_the_user(agent: SubAgent) -> None:
    model = ScriptedModel(*researching(call("payslip", month="2026-10"), "8,000"))
    tools = ToolsUnderTest(company(agent))
    tools.responds(text="net 8,000")
    under_test = AgentUnderTest(model, tools)
    assert await under_test.ask("How much?") == "done"
    [request] = tools.requests
    assert (request.path, request.acts_for) == ("/payslips/2026-10", "user")
    assert [each.text for each in under_test.messages] == ["How much?", "", "8,000", "done"]
    assert model.offered == [["research"], ["payslip"], ["payslip"], ["research"]]
    assert [each.outcome for each in under_test.audit if each.tool == "research"] == ["started", "succeeded"]
    assert len([each for each in under_test.audit if each.action == "model_call"]) == 4
    assert [each["type"] for each in under_test.events][:2] == ["tool_started", "tool_progress"]


@pytest.mark.promise("no-secret-leaves")
async def test_sub_agent_finds_no_secret_and_no_checkpointer_of_the_run() -> None:
    saver, seen = InMemorySaver(), []

    async def agent(model: BaseChatModel, tools: list[Any], question: str) -> str:
        @tool
        async def look() -> str:
            """Looks."""
            seen.append(ensure_config())
            return "nothing"

        made = create_react_agent(model, [*tools, look], checkpointer=saver)
        seen.extend([ensure_config(), model, dict(model), model.model_dump()])
        config: Any = {"configurable": {"thread_id": "inner"}}
        return (await made.ainvoke({"messages": [("user", question)]}, config))["messages"][-1].text

    tools = ToolsUnderTest(company(agent))
    tools.responds(text="net 8,000")
    inner = [[call("look"), call("payslip", month="2026-10")], "8,000"]
    await AgentUnderTest(ScriptedModel(*researching(*inner)), tools).ask("How much?")
    secrets = ("access-token", "token-1", "model-key")
    assert tools.requests[0].credential == "token-1"
    saved = pickle.dumps(saver.storage["inner"]) + pickle.dumps(dict(saver.blobs))
    assert b"8,000" in saved
    assert not [secret for secret in secrets if secret.encode() in saved]
    assert len(seen) == 5
    assert not [text for text in reachable(seen) if any(secret in text for secret in secrets)]


async def test_failure_of_the_model_is_the_failure_of_the_sub_agents_call() -> None:
    failure = ServiceError(GraphCode.MODEL_CALL_FAILED, "down")
    under_test = AgentUnderTest(ScriptedModel(*researching(failure)), ToolsUnderTest(company(react)))
    assert await under_test.ask("How much?") == "done"
    assert under_test.messages[2].text.startswith("model_call_failed")


async def test_model_is_lent_for_the_time_of_a_call_and_not_set_by_the_agents_model() -> None:
    async def agent(model: BaseChatModel, _: list[Any], question: str) -> str:
        with pytest.raises(RuntimeError, match="for the time of a call"):
            await model.ainvoke(question)
        with pytest.raises(NotImplementedError):
            model.invoke(question)
        return "alone"

    tools = ToolsUnderTest(company(agent))
    assert set(tools.parameters("research")["properties"]) == {"question"}
    assert (await tools.call("research", question="?")).text == "alone"
    forged = await tools.call("research", question="?", model="x")
    assert (forged.ok, forged.called) == (False, False)
