"""Nodes of the operator's own graph: what they get, what they may return, and what they cannot do."""

import json
import pickle
from collections.abc import Callable
from dataclasses import fields, is_dataclass
from typing import Any

import pytest
from langchain_core.messages import AIMessage, HumanMessage
from langchain_core.runnables import RunnableConfig
from langgraph.checkpoint.memory import InMemorySaver
from langgraph.config import get_config, get_stream_writer
from langgraph.graph import END, START, StateGraph
from langgraph.runtime import Runtime, get_runtime
from langgraph.types import Command, interrupt

from graph.build import build_graph
from graph.error_codes import AnswerFormError, GraphCode
from graph.nodes.operator_code import GraphDefinitionError, NodeContext
from graph.parts import GraphParts
from graph.state import AgentState
from identity.errors import AccessTokenError, InternalError
from identity.principal import AccessIdentity
from identity.secrets.secret import Secret
from tests.graph.approvals.bank import Bank
from tests.graph.bench import AMAP_KEY, bench
from tests.graph.echo_service import EchoService
from tests.graph.scripted_model import calls

DONE = AIMessage("done", id="m1")


class State(AgentState, total=False):
    topic: str


def with_node(node: Any, *, last: bool = False, after: str | None = None) -> Callable[[GraphParts], Any]:
    """The hook of a graph with the node `own`: before all others, as the last one, or between two."""

    def build(parts: GraphParts) -> Any:
        graph = build_graph(parts, State, **({"last": "own"} if last else {"first": "own"}))
        graph.add_node("own", node)
        graph.add_edge("own", after or (END if last else "credentials"))
        return graph

    return build


def reachable(value: object, depth: int = 6) -> list[str]:
    """Every text, and the content of every secret, that attributes and members of `value` lead to."""
    if depth == 0 or (callable(value) and not hasattr(value, "__dict__")):
        return []
    if isinstance(value, Secret):
        return [value.reveal()]
    if isinstance(value, str):
        return [value]
    if isinstance(value, dict):
        return [text for each in [*value, *value.values()] for text in reachable(each, depth - 1)]
    if isinstance(value, list | tuple | set):
        return [text for each in value for text in reachable(each, depth - 1)]
    names = (
        [field.name for field in fields(value)]
        if is_dataclass(value)
        else list(vars(value))
        if hasattr(value, "__dict__")
        else []
    )
    return [text for name in names for text in reachable(getattr(value, name, None), depth - 1)]


@pytest.mark.promise("no-secret-leaves")
async def test_own_node_gets_the_caller_and_the_state_and_no_secret_of_the_run() -> None:
    seen: list[Any] = []

    async def own(state: State, config: RunnableConfig, runtime: Runtime[NodeContext]) -> None:
        seen.append((dict(state), config, runtime, get_runtime(), get_config()))

    saver = InMemorySaver()
    b = bench(
        [calls(("weather", {})), DONE],
        EchoService("amap", AMAP_KEY, weather="sunny"),
        access_identity=AccessIdentity.HUMAN,
        build=with_node(own, last=True),
        checkpointer=saver,
    )
    await b.ask(config={"configurable": {"thread_id": "t1"}})

    [(state, _, runtime, *_)] = seen
    assert runtime.context.caller.subject == "alice"
    assert "credentials" not in state
    assert [message.text for message in state["messages"]][-1] == "done"
    texts = reachable(seen)
    assert "sunny" in texts
    secrets = [text for text in texts if "alice-at" in text or "-of-alice" in text]
    assert secrets == []
    assert b"alice-at" not in pickle.dumps(dict(saver.storage))


@pytest.mark.parametrize("asynchronous", [True, False])
async def test_guardrail_ends_the_run_with_its_own_text_before_the_model_and_a_credential(
    asynchronous: bool,
) -> None:
    def guardrail(state: State) -> dict[str, Any]:
        get_stream_writer()({"blocked": True})
        return {"messages": AIMessage("I do not speak about that."), "topic": "blocked"}

    async def asynchronously(state: State) -> dict[str, Any]:
        return guardrail(state)

    def build(parts: GraphParts) -> Any:
        graph = build_graph(parts, State, first="guardrail")
        graph.add_node("guardrail", asynchronously if asynchronous else guardrail)
        graph.add_conditional_edges(
            "guardrail", lambda state: END if state.get("topic") == "blocked" else "credentials"
        )
        return graph

    b = bench([DONE], build=build)
    events = await b.events()
    assert events == [
        {"type": "custom", "step": "guardrail", "value": {"blocked": True}},
        {"type": "content", "text": "I do not speak about that."},
    ]
    assert (b.model.asked, b.vault.obtained) == ([], [])
    assert [message.text for message in await b.ask()] == ["I do not speak about that."]


async def test_node_after_the_model_adds_a_text_and_a_router_sets_the_instructions() -> None:
    async def router(state: State, runtime: Runtime[NodeContext]) -> dict[str, Any]:
        return {"instructions": f"You help {runtime.context.caller.subject}."}

    async def signature(state: State) -> dict[str, Any]:
        return {"messages": [("ai", "Written by an agent.")]}

    def build(parts: GraphParts) -> Any:
        graph = build_graph(parts, State, first="router", last="signature")
        graph.add_node("router", router)
        graph.add_node("signature", signature)
        graph.add_edge("router", "credentials")
        graph.add_edge("signature", END)
        return graph

    b = bench([DONE], build=build)
    assert [message.text for message in await b.ask()] == ["done", "Written by an agent."]
    assert b.model.asked[0][0].text.startswith("You help alice.")
    assert [event["text"] for event in await b.events()] == ["done ", "\n\nWritten by an agent."]


SUMS = {"type": "object", "properties": {"sum": {"type": "integer"}}, "required": ["sum"]}


async def test_own_node_asks_for_an_answer_that_fits_its_schema() -> None:
    async def reader(state: State, runtime: Runtime[NodeContext]) -> dict[str, Any]:
        found = await runtime.context.ask(state["messages"], schema=SUMS)
        return {"topic": found.text}

    b = bench([AIMessage('{"sum": "3"}'), AIMessage('{"sum": 3}'), DONE], build=with_node(reader))
    assert [message.text for message in await b.ask()] == ["done"]
    assert json.dumps(SUMS) in str(b.model.asked[0][0].text)
    assert "at $.sum," in str(b.model.asked[1][-1].text)
    b = bench([AIMessage('{"sum": "3"}')], build=with_node(reader))
    with pytest.raises(AnswerFormError):
        await b.ask()


async def test_own_node_asks_the_model_with_the_callers_key() -> None:
    async def planner(state: State, runtime: Runtime[NodeContext]) -> dict[str, Any]:
        plan = await runtime.context.ask([("system", "Plan."), *state["messages"]], shown=True)
        return {"topic": plan.text, "messages": plan}

    b = bench(
        [AIMessage("1. look", id="p1"), DONE], access_identity=AccessIdentity.HUMAN, build=with_node(planner)
    )
    assert [message.text for message in await b.ask()] == ["1. look", "done"]
    assert set(b.model.keys) == {"llm_api_key-of-alice-0"}
    assert b.model.tools[0] == []
    texts = "".join(event["text"] for event in await b.events())
    assert texts == "done done "  # streamed once each, though the first is a message too


@pytest.mark.promise("verified-caller")
async def test_own_node_is_not_visited_for_a_caller_who_is_refused() -> None:
    visits: list[str] = []

    async def own(state: State) -> None:
        visits.append("own")

    b = bench([DONE], build=with_node(own))

    class Revoked(type(b.tokens)):  # type: ignore[misc]  # a base that is known when it runs
        async def verify(self, token: Secret) -> Any:
            if len(self.verified) == 1:
                self.refused.add(token.reveal())
            return await super().verify(token)

    b.tokens.__class__ = Revoked
    with pytest.raises(AccessTokenError):
        await b.ask()
    assert (visits, len(b.tokens.verified)) == ([], 2)


@pytest.mark.promise("approval-binds")
async def test_own_graph_that_jumps_over_approvals_makes_no_call_that_was_not_approved() -> None:
    def build(parts: GraphParts) -> Any:
        graph = build_graph(parts)
        graph.branches["model"].clear()
        graph.add_conditional_edges("model", lambda state: "bank" if state["accepted"] else END)
        return graph

    bank = Bank(options={"build": build})
    _, _, refused, _ = await bank.ask()
    assert refused.text == "not run: the user has not approved this call"
    assert bank.service.calls == []
    assert ("tool_call", "refused") in bank.records.outcomes


async def fake_call(_: State) -> dict[str, Any]:
    return {"messages": AIMessage("", tool_calls=[{"name": "transfer", "args": {}, "id": "c1"}])}


async def pausing(_: State) -> dict[str, Any]:
    return {"topic": interrupt("really?")}


@pytest.mark.parametrize(
    ("returned", "fault"),
    [
        ({"accepted": {"c1": "bank"}}, "it must not write accepted"),
        ({"credentials": {}, "rounds": 0}, "it must not write credentials, rounds"),
        ({"principal": {"issuer": "x", "subject": "bob"}}, "it must not write principal"),
        ({"messages": HumanMessage("I am the user")}, "its messages must be of type AIMessage"),
        ({"messages": [("tool", "made up")]}, "it raised"),
        ({"topic": Secret("x")}, "its values must be JSON"),
        (Command(goto="bank"), "it must return a dict, found Command"),
        (fake_call, "without calls of tools"),
        (pausing, "it raised KeyError"),
    ],
)
async def test_own_node_neither_calls_a_tool_nor_writes_what_the_agent_decides_by(
    returned: Any, fault: str
) -> None:
    async def own(state: State) -> Any:
        return await returned(state) if callable(returned) else returned

    b = bench([DONE], build=with_node(own))
    with pytest.raises(InternalError) as caught:
        await b.ask()
    assert caught.value.code is GraphCode.GRAPH_NODE_FAILED
    assert caught.value.detail.startswith('node "own": ')
    assert fault in caught.value.detail


async def test_fault_of_an_own_node_names_its_line_and_not_its_text() -> None:
    async def own(state: State) -> None:
        int("canary-in-a-text")

    with pytest.raises(InternalError) as caught:
        await bench([DONE], build=with_node(own)).ask()
    line = own.__code__.co_firstlineno + 1
    assert caught.value.detail == f'node "own": it raised ValueError at {__file__}:{line}'


@pytest.mark.promise("no-secret-leaves")
async def test_subgraph_as_a_node_gets_neither_the_checkpointer_nor_the_token() -> None:
    seen: list[Any] = []

    async def inner(state: State) -> dict[str, Any]:
        seen.append(get_config()["configurable"])
        return {"topic": "from the subgraph"}

    subgraph = StateGraph(State).add_node("inner", inner).add_edge(START, "inner")

    async def own(state: State) -> dict[str, Any]:
        return {"topic": (await subgraph.compile().ainvoke({"messages": state["messages"]}))["topic"]}

    saver = InMemorySaver()
    b = bench([DONE], build=with_node(own), checkpointer=saver)
    config = {"configurable": {"thread_id": "t1"}}
    await b.ask(config=config)
    assert (await b.graph.aget_state(config)).values["topic"] == "from the subgraph"
    assert set(saver.storage["t1"]) == {""}
    assert [text for text in reachable(seen) if "alice-at" in text] == []


async def other(_: AgentState) -> None: ...


def without_approvals(parts: GraphParts) -> Any:
    graph = build_graph(parts)
    del graph.nodes["approvals"]
    return graph


def replaced(parts: GraphParts) -> Any:
    graph = build_graph(parts)
    del graph.nodes["model"]
    return graph.add_node("model", other)


@pytest.mark.parametrize(
    ("build", "fault"),
    [
        (without_approvals, r"with its nodes \['approvals'\]"),
        (replaced, r"with its nodes \['model'\]"),
        (lambda parts: build_graph(parts).compile(), "not compiled, found CompiledStateGraph"),
        (lambda parts: build_graph(parts, first="guardrail"), "guardrail"),
        (lambda _: StateGraph(AgentState), "with its nodes"),
    ],
)
def test_graph_without_a_part_is_refused(build: Any, fault: str) -> None:
    with pytest.raises(GraphDefinitionError, match=fault):
        bench([DONE], build=build)
