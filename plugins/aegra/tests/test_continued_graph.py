"""Runs that Aegra executes once more, because their worker has gone."""

import asyncio
from typing import Annotated, Any, TypedDict

import pytest
from langchain_core.runnables import RunnableConfig
from langgraph.checkpoint.memory import InMemorySaver
from langgraph.graph import START, StateGraph
from langgraph.types import Command, interrupt

from agent.api.langgraph.sealed_callers import GIVEN, run_digest
from plugins.aegra.graph import ContinuedGraph
from tests.agent.api.langgraph.test_traced_graph import bench as bench
from tests.agent.api.langgraph.test_traced_graph import read, traced
from tests.agent.api.langgraph.test_traced_graph import spans as spans
from tests.graph.bench import Bench
from tests.recorded_spans import Spans


class Steps(TypedDict, total=False):
    messages: list[str]
    steps: Annotated[list[str], lambda left, right: left + right]


class Fails:
    """The process ends in the second step, while `now` is true."""

    def __init__(self) -> None:
        self.now = True
        self.asks = False
        self.reached = asyncio.Event()

    def graph(self) -> ContinuedGraph:
        async def first(_: Steps) -> Steps:
            return {"steps": [f"first {interrupt('?')}" if self.asks else "first"]}

        async def second(_: Steps) -> Steps:
            if self.now:
                self.reached.set()
                await asyncio.Event().wait()
            return {"steps": [f"second {interrupt('??')}" if self.asks else "second"]}

        graph = StateGraph(Steps)
        graph.add_node("first", first)
        graph.add_node("second", second)
        graph.add_edge(START, "first")
        graph.add_edge("first", "second")
        return ContinuedGraph.of(graph.compile())


@pytest.fixture
def fails() -> Fails:
    return Fails()


def run(run_id: str) -> Any:
    return {"configurable": {"thread_id": "t", "run_id": run_id}}


async def execute(graph: ContinuedGraph, given: Any, run_id: str) -> Any:
    stream = graph.astream(given, run(run_id), stream_mode="values", durability="sync")
    return [values async for values in stream][-1]


async def interrupted(fails: Fails, graph: ContinuedGraph, given: Any, run_id: str) -> None:
    """The run, whose worker goes in the second step."""
    task = asyncio.create_task(execute(graph, given, run_id))
    await fails.reached.wait()
    task.cancel()
    await asyncio.wait([task])
    fails.now = False


def with_saver(graph: ContinuedGraph) -> ContinuedGraph:
    """As Aegra gives each run a graph."""
    copied = graph.copy({"checkpointer": InMemorySaver()})
    assert isinstance(copied, ContinuedGraph)
    return copied


async def test_run_is_continued_where_it_was_and_takes_its_input_once(fails: Fails) -> None:
    graph = with_saver(fails.graph())
    await interrupted(fails, graph, {"steps": ["input"]}, "run-1")
    assert (await execute(graph, {"steps": ["input"]}, "run-1"))["steps"] == ["input", "first", "second"]


async def test_next_run_of_the_thread_takes_its_input(fails: Fails) -> None:
    fails.now = False
    graph = with_saver(fails.graph())
    await execute(graph, {"steps": ["a"]}, "run-1")
    values = await execute(graph, {"steps": ["b"]}, "run-2")
    assert values["steps"] == ["a", "first", "second", "b", "first", "second"]


async def test_message_is_no_answer_to_the_question_on_which_the_thread_waits(fails: Fails) -> None:
    fails.asks = True
    graph = with_saver(fails.graph())
    await execute(graph, {"steps": []}, "run-1")
    await execute(graph, Command(resume={"messages": ["hello"]}), "run-2")
    state = await graph.aget_state(run("run-2"))
    assert state.values == {"steps": [], "messages": ["hello"]}
    assert [each.value for each in state.interrupts] == ["?"]


async def test_answer_is_not_read_by_the_next_question(fails: Fails) -> None:
    fails.asks = True
    graph = with_saver(fails.graph())
    await execute(graph, {"steps": []}, "run-1")
    await interrupted(fails, graph, Command(resume="yes"), "run-2")
    await execute(graph, Command(resume="yes"), "run-2")
    state = await graph.aget_state(run("run-2"))
    assert state.values["steps"] == ["first yes"]
    assert [each.value for each in state.interrupts] == ["??"]
    assert (await execute(graph, Command(resume="no"), "run-3"))["steps"] == ["first yes", "second no"]


@pytest.mark.promise("users-never-cross")
async def test_digest_of_what_a_run_was_given_is_the_graphs_own_not_a_clients() -> None:
    found: list[str] = []

    async def only(_: Steps, config: RunnableConfig) -> Steps:
        found.append(config["configurable"][GIVEN])
        return {}

    graph = StateGraph(Steps).add_node("only", only).add_edge(START, "only")
    continued = with_saver(ContinuedGraph.of(graph.compile()))
    config = run("run-1")
    config["configurable"][GIVEN] = "of a client"
    await continued.ainvoke({"steps": ["a"]}, config)
    assert found == [run_digest({"steps": ["a"]}, None)]


async def test_run_is_one_trace_of_its_caller(spans: Spans, bench: Bench) -> None:
    await read(ContinuedGraph.of(traced(spans, bench)).copy({"checkpointer": None}))
    assert {(span.name, spans.parent(span)) for span in spans} == {
        ("invoke_agent idaas-agent", None),
        ("chat", "invoke_agent idaas-agent"),
        ("execute_tool find", "invoke_agent idaas-agent"),
    }
    assert len({span.context.trace_id for span in spans}) == 1
