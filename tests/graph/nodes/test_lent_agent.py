"""A tool that is an agent itself: it uses the model and the tools of the agent that calls it."""

import asyncio
import pickle
from collections.abc import Awaitable, Callable
from contextvars import copy_context
from typing import Any

import pytest
from langchain_core.language_models import BaseChatModel
from langchain_core.messages import AnyMessage, ToolMessage
from langchain_core.runnables import ensure_config
from langchain_core.tools import BaseTool, tool
from langgraph.checkpoint.memory import InMemorySaver
from langgraph.graph import START, MessagesState, StateGraph
from langgraph.prebuilt import ToolNode, create_react_agent, tools_condition

from graph.limits import Limits
from idaas_agent import (
    READS,
    ApprovalMode,
    Data,
    Effect,
    GraphCode,
    HTTPService,
    ServiceClient,
    ServiceError,
    ToolPolicy,
    Trust,
    progress,
)
from idaas_agent.testing import AgentUnderTest, ScriptedModel, ToolsUnderTest, call
from identity.access_token.verified_access_token import VerifiedAccessToken
from tests.graph.approvals.bank import ARGUMENTS, Bank
from tests.graph.nodes.test_custom_nodes import reachable
from tests.graph.scripted_model import DONE, calls

SubAgent = Callable[[BaseChatModel, list[BaseTool], str], Awaitable[str]]


def company(agent: SubAgent, policy: ToolPolicy = READS) -> Callable[[HTTPService, Any], None]:
    """A service whose tool `research` is `agent`, and which has other tools besides."""

    def add(service: HTTPService, _: Any) -> None:
        @service.tool(policy=policy)
        async def research(model: BaseChatModel, tools: list[BaseTool], question: str) -> str:
            """Researches a question."""
            return await agent(model, tools, question)

        @service.tool(policy=ToolPolicy(data=Data.CONFIDENTIAL))
        async def payslip(http: Any, month: str) -> str:
            """Gets a payslip."""
            return (await http.get("payslips", month)).text

        @service.tool(policy=ToolPolicy(Effect.WRITE))
        async def correct(http: Any, month: str) -> str:
            """Corrects a payslip."""
            return (await http.post("corrections", json={"month": month})).text

        @service.tool(policy=ToolPolicy(trust=Trust.UNTRUSTED))
        async def forecast(http: Any, city: str) -> str:
            """Gets the weather."""
            return (await http.get("weather", city)).text

    return add


async def react(model: BaseChatModel, tools: list[BaseTool], question: str) -> str:
    """LangGraph's prebuilt agent; LangChain's `create_agent` is made from the same parts."""
    agent = create_react_agent(model, tools)
    return (await agent.ainvoke({"messages": [("user", question)]}))["messages"][-1].text


async def own_graph(model: BaseChatModel, tools: list[BaseTool], question: str) -> str:
    async def think(state: MessagesState) -> dict[str, Any]:
        return {"messages": await model.bind_tools(tools).ainvoke(state["messages"])}

    graph = StateGraph(MessagesState)
    graph.add_node("think", think)
    graph.add_node("tools", ToolNode(tools))
    graph.add_edge(START, "think")
    graph.add_conditional_edges("think", tools_condition)
    graph.add_edge("tools", "think")
    return (await graph.compile().ainvoke({"messages": [("user", question)]}))["messages"][-1].text


def researching(*inner: Any) -> list[Any]:
    return [call("research", question="net of October?"), *inner, "done"]


@pytest.mark.parametrize("agent", [react, own_graph])
async def test_sub_agent_uses_the_model_and_tools_of_the_agent_on_record(agent: SubAgent) -> None:
    model = ScriptedModel(*researching(call("payslip", month="2026-10"), "8,000"))
    tools = ToolsUnderTest(company(agent))
    tools.responds(text="net 8,000")
    under_test = AgentUnderTest(model, tools)
    assert await under_test.ask("How much?") == "done"
    [request] = tools.requests
    assert (request.path, request.acts_for, request.permission) == (
        "/payslips/2026-10",
        "user",
        "service.use",
    )
    assert under_test.messages[2].text == "8,000"
    assert len(under_test.messages) == 4  # nothing of the sub-agent's
    assert "research" not in model.offered[1]
    assert {"payslip", "correct"} < set(model.offered[1])
    recorded = [(each.tool, each.outcome) for each in under_test.audit if each.action == "tool_call"]
    assert recorded == [
        ("research", "started"),
        ("payslip", "started"),
        ("payslip", "succeeded"),
        ("research", "succeeded"),
    ]
    assert len([each for each in under_test.audit if each.action == "model_call"]) == 4
    shown = [(each["type"], each.get("tool")) for each in under_test.events if "progress" not in each]
    assert shown[:4] == [
        ("tool_started", "research"),
        ("tool_started", "payslip"),
        ("tool_finished", "payslip"),
        ("tool_finished", "research"),
    ]
    ids = {each["call_id"] for each in under_test.events if each.get("tool") == "payslip"}
    assert len(ids) == 1


@pytest.mark.promise("no-secret-leaves")
async def test_sub_agent_finds_no_secret_and_no_checkpointer_of_the_run() -> None:
    saver, seen = InMemorySaver(), []

    async def agent(model: BaseChatModel, tools: list[BaseTool], question: str) -> str:
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
    under_test = AgentUnderTest(ScriptedModel(*researching(*inner)), tools)
    await under_test.ask("How much?")
    secrets = ("access-token", "token-1", "model-key")
    assert tools.requests[0].credential == "token-1"
    saved = pickle.dumps(saver.storage["inner"]) + pickle.dumps(dict(saver.blobs))
    assert "inner" in saver.storage
    assert b"8,000" in saved
    assert not [secret for secret in secrets if secret.encode() in saved]
    assert len(seen) == 5
    assert not [text for text in reachable(seen) if any(secret in text for secret in secrets)]
    assert not [each for each in seen if isinstance(each, VerifiedAccessToken)]


@pytest.mark.promise("approval-binds")
async def test_call_of_a_sub_agent_that_asks_waits_for_the_user_as_the_agents_own() -> None:
    answers: list[str] = []

    async def agent(model: BaseChatModel, tools: list[BaseTool]) -> str:
        [pay] = [each for each in tools if each.name == "pay"]
        answers.append(await pay.ainvoke(ARGUMENTS))
        return "I have proposed to pay"

    service = HTTPService("helper", "https://helper.example")

    @service.tool(policy=ToolPolicy(Effect.WRITE, ApprovalMode.ALLOW))
    async def delegate(model: BaseChatModel, tools: list[BaseTool]) -> str:
        """Delegates."""
        return await agent(model, tools)

    bank = Bank(turns=[calls(("delegate", {})), DONE], more=[service])
    await bank.ask()
    assert answers[0].startswith("not run yet")
    assert bank.paid == []
    assert (await bank.waiting()).arguments == ARGUMENTS
    messages = await bank.approve()
    assert bank.paid == [ARGUMENTS]
    assert [each.text for each in messages if isinstance(each, ToolMessage)] == [
        "I have proposed to pay",
        "paid",
    ]
    assert messages[-1].text == "done"


@pytest.mark.promise("confidential-data-stays")
async def test_call_of_a_sub_agent_that_is_denied_or_carries_confidential_data_out_is_not_made() -> None:
    results: list[AnyMessage] = []

    async def agent(model: BaseChatModel, tools: list[BaseTool], question: str) -> str:
        by_name = {each.name: each for each in tools}
        for name, arguments in (
            ("payslip", {"month": "2026-10"}),
            ("forecast", {"city": "8000"}),
            ("correct", {"month": "2026-10"}),
            ("payslip", {"month": 10}),
        ):
            made: Any = {"type": "tool_call", "id": "i", "name": name, "args": arguments}
            results.append(await by_name[name].ainvoke(made))
        return "tried"

    tools = ToolsUnderTest(company(agent))
    tools.responds(text="net 8000")
    under_test = AgentUnderTest(ScriptedModel(*researching()), tools, approves=False)
    await under_test.ask("How much?")
    assert [each.path for each in tools.requests] == ["/payslips/2026-10"]
    assert [each.status for each in results] == ["success", "error", "error", "error"]
    assert {each["name"] for each in under_test.asked.values()} == {"forecast", "correct"}


@pytest.mark.promise("bounded")
async def test_calls_of_sub_agents_count_for_the_run() -> None:
    async def agent(model: BaseChatModel, tools: list[BaseTool], question: str) -> str:
        [payslip] = [each for each in tools if each.name == "payslip"]
        return "; ".join([await payslip.ainvoke({"month": str(month)}) for month in range(70)])

    tools = ToolsUnderTest(company(agent))
    tools.responds(text="net")
    under_test = AgentUnderTest(ScriptedModel(*researching()), tools)
    await under_test.ask("How much?")
    assert len(tools.requests) == Limits().run_calls - 1
    assert "at most 64 tools" in under_test.messages[2].text


@pytest.mark.promise("approval-binds")
async def test_change_by_a_sub_agent_that_only_reads_is_made_once_after_it_by_the_agent() -> None:
    answers: list[str] = []

    async def agent(model: BaseChatModel, tools: list[BaseTool], question: str) -> str:
        [correct] = [each for each in tools if each.name == "note"]
        answers.append(await correct.ainvoke({"text": "x"}))
        assert http.requests == []
        return "proposed"

    def add(service: HTTPService, settings: Any) -> None:
        company(agent)(service, settings)

        @service.tool(policy=ToolPolicy(Effect.WRITE, ApprovalMode.ALLOW))
        async def note(http: Any, text: str) -> str:
            """Notes."""
            return (await http.post("notes", json={"text": text})).text

    http = ToolsUnderTest(add)
    http.responds(text="noted")
    under_test = AgentUnderTest(ScriptedModel(*researching()), http)
    assert await under_test.ask("How much?") == "done"
    assert answers[0].startswith("not run yet")
    assert [each.path for each in http.requests] == ["/notes"]
    assert under_test.asked == {}


@pytest.mark.promise("confidential-data-stays")
async def test_what_the_tool_of_a_sub_agent_reads_itself_counts_for_its_calls() -> None:
    async def agent(model: BaseChatModel, tools: list[BaseTool], question: str) -> str:
        [forecast] = [each for each in tools if each.name == "forecast"]
        return await forecast.ainvoke({"city": "8000"})

    http = ToolsUnderTest(company(agent, ToolPolicy(data=Data.CONFIDENTIAL)))
    http.responds(text="sunny")
    under_test = AgentUnderTest(ScriptedModel(*researching()), http, approves=False)
    await under_test.ask("How much?")
    assert http.requests == []
    assert {each["name"] for each in under_test.asked.values()} == {"forecast"}


async def test_lent_tool_that_is_kept_cannot_be_called_after_the_call() -> None:
    kept: list[Any] = []

    async def agent(model: BaseChatModel, tools: list[BaseTool], question: str) -> str:
        [payslip] = [each for each in tools if each.name == "payslip"]
        kept.extend([payslip, copy_context()])
        return "kept"

    http = ToolsUnderTest(company(agent))
    await AgentUnderTest(ScriptedModel(*researching()), http).ask("How much?")
    tool, context = kept
    for given in (context, copy_context()):
        with pytest.raises(RuntimeError, match="for the time of a call"):
            await asyncio.create_task(tool.ainvoke({"month": "2026-10"}), context=given)
    assert http.requests == []


async def test_tool_asks_the_model_and_its_own_service_as_the_user_and_is_given_both_by_the_agent() -> None:
    def add(service: HTTPService, _: Any) -> None:
        @service.tool(policy=READS)
        async def research(http: ServiceClient, model: BaseChatModel, question: str) -> str:
            """Researches a question."""
            progress(0.5, "thinking")
            found = await http.get("payslips", "2026-10")
            return (await model.ainvoke(f"{question} {found.text}")).text

    model, tools = ScriptedModel(*researching("8,000")), ToolsUnderTest(add)
    tools.responds(text="net 8,000")
    under_test = AgentUnderTest(model, tools)
    assert set(tools.parameters("research")["properties"]) == {"question"}
    assert await under_test.ask("How much?") == "done"
    assert [(each.path, each.acts_for) for each in tools.requests] == [("/payslips/2026-10", "user")]
    assert [each.text for each in under_test.messages] == ["How much?", "", "8,000", "done"]
    assert model.offered == [["research"], [], ["research"]]
    assert [each["type"] for each in under_test.events][:2] == ["tool_started", "tool_progress"]


async def test_failure_of_the_model_is_the_failure_of_the_sub_agents_call() -> None:
    failure = ServiceError(GraphCode.MODEL_CALL_FAILED, "down")
    under_test = AgentUnderTest(ScriptedModel(*researching(failure)), ToolsUnderTest(company(react)))
    assert await under_test.ask("How much?") == "done"
    assert under_test.messages[2].text.startswith("model_call_failed")


async def test_tool_with_lent_parts_is_called_alone_in_a_test_of_it() -> None:
    async def agent(model: BaseChatModel, tools: list[BaseTool], question: str) -> str:
        with pytest.raises(RuntimeError, match="for the time of a call"):
            await model.ainvoke(question)
        with pytest.raises(NotImplementedError):
            model.invoke(question)
        return str(len(tools))

    tools = ToolsUnderTest(company(agent))
    assert (await tools.call("research", question="?")).text == "0"
    forged = await tools.call("research", question="?", model="x", tools=[])
    assert (forged.ok, forged.called) == (False, False)
