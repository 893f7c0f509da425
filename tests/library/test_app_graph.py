"""What `GRAPH` may name: which graphs of applications a server takes, and why it refuses others."""

from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from langchain.agents import create_agent
from langchain.agents.middleware import HumanInTheLoopMiddleware
from langchain_core.tools import tool
from langgraph.graph import START, MessagesState, StateGraph
from langgraph.prebuilt import ToolNode
from typing_extensions import TypedDict

from graph.nodes.operator_code import GraphDefinitionError
from graph.parts import GraphParts
from idaas_agent import READS, ConfigurationError, Identity, IdentityContext
from idaas_agent.library.app_graph import AppGraph, is_of_app
from idaas_agent.library.hosting import Host
from tests.library.called_app import ScriptedChat

SETTINGS: Any = SimpleNamespace(access_identity="Human", approval_seconds=600.0, ssl_cert_file=None)
HOST = Host(parts=SimpleNamespace(clock=lambda: 0.0))  # type: ignore[arg-type]  # opened by no test here


@tool
def search(words: str) -> str:
    """Searches."""
    return words


def graph_of(source: Any) -> AppGraph:
    return AppGraph.of(source, SETTINGS, HOST)


def state_graph(node: Any, state: Any = MessagesState, **options: Any) -> StateGraph[Any]:
    builder = StateGraph(state, **options)
    builder.add_node("tools", node)
    builder.add_edge(START, "tools")
    return builder


def with_identity(identity: Identity) -> Any:
    return state_graph(identity.tool_node([search]))


@pytest.mark.parametrize(
    "source",
    [
        with_identity,
        lambda checkpointer, identity: (checkpointer, identity),
        state_graph(ToolNode([])).compile(),
    ],
)
def test_function_of_an_identity_or_a_compiled_graph_is_an_applications(source: Any) -> None:
    assert is_of_app(source)


def of_parts(parts: GraphParts) -> Any:
    return parts


@pytest.mark.parametrize("source", [of_parts, lambda parts: parts, None, 1])
def test_function_of_parts_is_not_an_applications(source: Any) -> None:
    assert not is_of_app(source)


async def test_function_gets_its_parameters_by_name_or_type_in_any_order() -> None:
    given: dict[str, Any] = {}

    def build(saver: Any = 1, *, who: Identity, checkpointer: Any) -> Any:
        given.update(saver=saver, who=who, checkpointer=checkpointer)
        return with_identity(who)

    app = graph_of(build)
    await app.compiled()
    assert given["saver"] == 1
    assert given["who"] is app.identity
    assert given["checkpointer"] is not None
    assert await app.compiled() is await app.compiled()


async def test_compiled_graph_has_its_own_identity_which_is_the_servers_from_then_on(
    identity: Identity,
) -> None:
    tools = [identity.govern(search, READS)]
    app = graph_of(state_graph(ToolNode(tools)).compile())
    await app.compiled()
    assert app.identity is identity
    assert await identity.parts() is HOST.parts


def test_file_of_a_graph_under_a_server_is_looked_for_beside_its_module(
    identity: Identity, tmp_path: Path
) -> None:
    (tmp_path / "my_policies.toml").write_text('[policies.search]\neffect = "read"\n')
    with pytest.raises(ConfigurationError):
        identity.middleware("my_policies.toml")
    identity.hosted_by(Host(parts=HOST.parts, folder=tmp_path))
    identity.middleware("my_policies.toml")


def test_compiled_graph_without_an_identity_is_refused() -> None:
    with pytest.raises(GraphDefinitionError, match=r"neither a governed tool nor identity\.middleware"):
        graph_of(state_graph(ToolNode([search])).compile())


class NoMessages(TypedDict):
    text: str


@dataclass
class Context:
    access_token: Any
    tenant: str


def ungoverned(identity: Identity) -> Any:
    return state_graph(ToolNode([search]))


def another_state(identity: Identity) -> Any:
    return state_graph(identity.tool_node([search]), NoMessages)


def another_context(identity: Identity) -> Any:
    return state_graph(identity.tool_node([search]), context_schema=Context)


def breakpoints(identity: Identity) -> Any:
    return with_identity(identity).compile(interrupt_before=["tools"])


def another_parameter(identity: Identity, tenant: str) -> Any:
    return with_identity(identity)


def no_graph(identity: Identity) -> Any:
    return identity


@pytest.mark.parametrize(
    ("source", "words"),
    [
        (ungoverned, "its tools search are not governed"),
        (another_state, 'its state must have "messages"'),
        (another_context, "its context Context must be made of access_token alone"),
        (breakpoints, "must not pause before or after a node"),
        (another_parameter, 'its parameter "tenant" must have a default'),
        (no_graph, "must return a graph of LangGraph, found Identity"),
    ],
)
async def test_graph_that_the_server_cannot_run_is_refused_in_words(source: Any, words: str) -> None:
    with pytest.raises(GraphDefinitionError, match=words):
        await graph_of(source).compiled()


async def test_middleware_knows_the_tools_of_its_agent_before_it_has_run() -> None:
    def build(identity: Identity) -> Any:
        return create_agent(ScriptedChat(turns=[]), [search], middleware=[identity.middleware()])

    app = graph_of(build)
    await app.compiled()
    assert set(app.identity.known_calls.tools) == {"search"}


async def test_other_middleware_does_not_govern_tools() -> None:
    def build(identity: Identity) -> Any:
        return create_agent(
            ScriptedChat(turns=[]), [search], middleware=[HumanInTheLoopMiddleware({"search": True})]
        )

    with pytest.raises(GraphDefinitionError, match="its tools search are not governed"):
        await graph_of(build).compiled()


async def test_context_is_of_the_graphs_own_type() -> None:
    @dataclass
    class Own(IdentityContext):
        tenant: str = "one"

    def build(identity: Identity) -> Any:
        return state_graph(identity.tool_node([search]), context_schema=Own)

    app = graph_of(build)
    await app.compiled()
    made = app.context_of(SimpleNamespace(access_token=None))  # type: ignore[arg-type]  # that member is read
    assert isinstance(made, Own)
    assert made.tenant == "one"
