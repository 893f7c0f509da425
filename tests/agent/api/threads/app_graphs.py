"""The graphs of `examples/library` under the server, with a scripted model: what `GRAPH` names in tests."""

import importlib.util
from collections.abc import Sequence
from pathlib import Path
from types import ModuleType
from typing import Annotated, Any

from langchain.agents import create_agent as agent_of
from langchain.agents.middleware import HumanInTheLoopMiddleware, SummarizationMiddleware
from langchain_core.language_models import FakeListChatModel
from langchain_core.messages import AIMessage, AnyMessage, HumanMessage, RemoveMessage
from langgraph.channels.delta import DeltaChannel
from langgraph.config import get_stream_writer
from langgraph.graph import START, MessagesState, StateGraph, add_messages
from langgraph.prebuilt import ToolNode, tools_condition
from langgraph.runtime import get_runtime
from langgraph.types import interrupt
from typing_extensions import TypedDict

from idaas_agent import READS, ApprovalMode, Data, Effect, Identity, IdentityContext, ToolPolicy
from identity.secrets.secret import Secret
from tests.graph.scripted_model import ScriptedModel
from tests.suite import Sandbox

EXAMPLES = Path(__file__).parents[4] / "examples" / "library"
CREATE_AGENT = "tests.agent.api.threads.app_graphs:create_agent"
STATE_GRAPH = "tests.agent.api.threads.app_graphs:state_graph"


class Chat(ScriptedModel):
    """The model of the application, which has its own key."""

    def bind_tools(self, tools: Any, **_: Any) -> Any:
        return self.bind(tools=[{"function": {"name": getattr(tool, "name", "today")}} for tool in tools])

    def _turn(self, messages: Any, options: Any) -> Any:
        return super()._turn(messages, {**options, "api_key": Secret("")})


MODEL = Chat(turns=[])
"""The model of all graphs here. A test gives its turns."""


def module_of(name: str) -> ModuleType:
    """A program of `examples/library`."""
    spec = importlib.util.spec_from_file_location(f"library_{name}", EXAMPLES / f"{name}.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


async def create_agent(identity: Identity, checkpointer: Any) -> Any:
    """That of `create_agent.py`."""
    return await module_of("create_agent").graph(identity, checkpointer, MODEL)


async def state_graph(checkpointer: Any, identity: Identity) -> Any:
    """That of `state_graph.py`."""
    return await module_of("state_graph").graph(identity, checkpointer, MODEL)


def put_files(sandbox: Sandbox, folder: Path) -> None:
    """The files of the examples, with the sandbox's address."""
    address = sandbox.environment["LEAVE_SERVICE_URL"]
    text = (EXAMPLES / "services.toml").read_text().replace("https://localhost:9445/leave", address)
    (folder / "services.toml").write_text(text)
    (folder / "policies.toml").write_text((EXAMPLES / "policies.toml").read_text())


def _all_added(messages: list[Any], written: Sequence[Any]) -> list[Any]:
    for each in written:
        messages = add_messages(messages, each)  # type: ignore[assignment]  # it declares messages of all forms
    return messages


class DeltaState(TypedDict):
    """Of its messages, a checkpoint has those that were added: as of a deep agent's."""

    messages: Annotated[list[AnyMessage], DeltaChannel(_all_added)]


async def delta_graph(identity: Identity, checkpointer: Any) -> Any:
    """An agent whose checkpoints need those before them."""
    tools = await identity.tools("services.toml")
    bound = MODEL.bind_tools(tools)

    async def respond(state: DeltaState) -> dict[str, Any]:
        return {"messages": [await bound.ainvoke(state["messages"])]}

    builder = StateGraph(DeltaState)
    builder.add_node("respond", respond)
    builder.add_node("tools", identity.tool_node(tools))
    builder.add_edge(START, "respond")
    builder.add_conditional_edges("respond", tools_condition)
    builder.add_edge("tools", "respond")
    return builder.compile(checkpointer=checkpointer)


SENT: list[str] = []
"""What `send` has sent."""


def send(to: str) -> str:
    """Sends a mail."""
    SENT.append(to)
    return "sent"


def human_in_the_loop(identity: Identity) -> Any:
    """An agent whose own middleware asks."""
    asks = HumanInTheLoopMiddleware({"send": True})
    middleware = [asks, identity.middleware()]
    return agent_of(MODEL, [identity.govern(send, READS)], middleware=middleware)


def asks_otherwise(identity: Identity) -> Any:
    """A graph that pauses for something which no surface shows."""

    async def pauses(_: MessagesState) -> dict[str, Any]:
        return {"messages": [interrupt("Which colour?")]}

    async def fails(_: MessagesState) -> dict[str, Any]:
        raise ValueError("secret-in-a-text")

    builder = StateGraph(MessagesState)
    builder.add_node("pauses", pauses)
    builder.add_node("fails", fails)
    builder.add_node("tools", identity.tool_node([identity.govern(send, READS)]))
    builder.add_conditional_edges(
        START,
        lambda state: "fails" if "fail" in state["messages"][-1].text else "pauses",
        ["pauses", "fails"],
    )
    return builder.compile()


async def with_a_sub_agent(identity: Identity, checkpointer: Any) -> Any:
    """An agent with a tool that is an agent, whose own tool asks."""
    leave = await identity.tools("services.toml")
    inner = agent_of(MODEL, leave, middleware=[identity.middleware()])

    async def research(question: str) -> str:
        """Researches."""
        state = await inner.ainvoke({"messages": [("user", question)]})
        return str(state["messages"][-1].text)

    tools = [identity.govern(research, READS)]
    return agent_of(MODEL, tools, middleware=[identity.middleware()], checkpointer=checkpointer)


def shows(identity: Identity) -> Any:
    """A graph that writes a value and a message of its own, and summarizes what was said."""

    async def notes(state: MessagesState) -> dict[str, Any]:
        token = get_runtime(IdentityContext).context.access_token
        assert isinstance(token, Secret)
        get_stream_writer()({"topic": "leave", "token": token.reveal()})
        summary = HumanMessage("A summary.", id="summary")
        return {"messages": [RemoveMessage(state["messages"][0].id), summary, AIMessage("Noted.", id="own")]}

    builder = StateGraph(MessagesState)
    builder.add_node("notes", notes)
    builder.add_node("tools", identity.tool_node([]))
    builder.add_edge(START, "notes")
    return builder


async def alone(identity: Identity) -> Any:
    """An agent whose tools ask for themselves: it has no middleware."""
    return agent_of(MODEL, await identity.tools("services.toml"))


async def alone_in_a_node(identity: Identity) -> Any:
    """The same in a node of LangGraph's, which calls them in one task."""
    tools = await identity.tools("services.toml")
    bound = MODEL.bind_tools(tools)

    async def respond(state: MessagesState) -> dict[str, Any]:
        return {"messages": [await bound.ainvoke(state["messages"])]}

    builder = StateGraph(MessagesState)
    builder.add_node("respond", respond)
    builder.add_node("tools", ToolNode(tools))
    builder.add_edge(START, "respond")
    builder.add_conditional_edges("respond", tools_condition)
    builder.add_edge("tools", "respond")
    return builder.compile()


def summing_up(identity: Identity) -> Any:
    """The same, which sums up what was said as soon as it has three messages."""
    summaries = SummarizationMiddleware(
        FakeListChatModel(responses=["The salary is 8000."]), trigger=("messages", 3), keep=("messages", 1)
    )
    return agent_of(MODEL, labelled_tools(identity), middleware=[identity.middleware(), summaries])


def labelled(identity: Identity) -> Any:
    """An agent with a confidential tool, and one that sends something outside."""
    return agent_of(MODEL, labelled_tools(identity), middleware=[identity.middleware()])


def labelled_tools(identity: Identity) -> list[Any]:
    """A confidential tool, and one that sends something outside."""

    def salary() -> str:
        """The salary."""
        return "8000"

    def post(text: str) -> str:
        """Posts a text."""
        return text

    return [
        identity.govern(salary, ToolPolicy(data=Data.CONFIDENTIAL)),
        identity.govern(post, ToolPolicy(Effect.EXTERNAL, ApprovalMode.ALLOW)),
    ]


def ungoverned(identity: Identity) -> Any:
    """A graph with a tool that nobody would decide about."""
    assert identity is not None
    builder = StateGraph(MessagesState)
    builder.add_node("tools", ToolNode([send]))
    builder.add_edge(START, "tools")
    return builder


def broken(identity: Identity) -> Any:
    """A function that fails."""
    assert identity is not None
    return 1 / 0
