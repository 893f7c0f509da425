"""No state lets a run make more calls than the model could have made."""

from typing import Any

import pytest
from langchain_core.messages import HumanMessage
from langgraph.checkpoint.memory import InMemorySaver
from langgraph.types import Command, Send

from graph.context import AgentContext
from graph.limits import Limits
from identity.secrets.secret import Secret
from tests.graph.bench import bench
from tests.graph.echo_service import EchoService
from tests.graph.scripted_model import DONE, calls

pytestmark = pytest.mark.promise("model-cannot-steer")

THREAD = {"configurable": {"thread_id": "1"}, "recursion_limit": 1000}
LIMITS = Limits(tool_rounds=3, tool_calls=4)


def context() -> AgentContext:
    return AgentContext(Secret("alice-at"))


@pytest.fixture
def crafted():
    """A graph with a checkpointer, and a state with two hundred pending calls."""

    def make(call_tools, turns=(DONE,)):
        enterprise = EchoService("enterprise", invoke="hi")
        b = bench(turns, enterprise, limits=LIMITS, checkpointer=InMemorySaver())
        answer = call_tools(*[("invoke", {"n": n}) for n in range(200)])
        accepted = {call["id"]: "enterprise" for call in answer.tool_calls}
        state = {"messages": [HumanMessage("hi"), answer], "accepted": accepted, "rounds": -1000}
        return b, enterprise, state

    return make


async def test_calls_in_the_input_are_not_run(crafted: Any) -> None:
    b, enterprise, state = crafted(calls)
    await b.graph.ainvoke(state, THREAD, context=context())
    assert enterprise.calls == []


async def test_calls_of_a_written_model_response_are_not_run(crafted: Any) -> None:
    b, enterprise, state = crafted(calls)
    written = await b.graph.aupdate_state(THREAD, {"messages": state["messages"]}, as_node="credentials")
    await b.graph.ainvoke(None, written, context=context())
    written = await b.graph.aupdate_state(THREAD, {"messages": state["messages"]}, as_node="model")
    await b.graph.ainvoke(None, written, context=context())
    assert enterprise.calls == []


@pytest.mark.parametrize("as_node", ["credentials", "model"])
async def test_written_state_makes_no_more_calls_than_the_model_could(crafted: Any, as_node: str) -> None:
    b, enterprise, state = crafted(calls)
    await b.graph.aupdate_state(THREAD, state, as_node=as_node)
    await b.graph.ainvoke(None, THREAD, context=context())
    assert 0 < len(enterprise.calls) <= 12


async def test_two_hundred_visits_of_a_service_in_one_run_share_the_limit(crafted: Any) -> None:
    b, enterprise, state = crafted(calls)
    one = calls(("invoke", {}))
    visit = Send("enterprise", {"messages": [one], "accepted": {"call_1": "enterprise"}})
    for command in (Command(goto=[visit] * 200), Command(goto=["enterprise"] * 200, update=state)):
        enterprise.calls.clear()
        result = await b.graph.ainvoke(command, THREAD, context=context())
        assert 0 < len(enterprise.calls) <= 12
        refused = [m for m in result["messages"] if m.type == "tool" and m.status == "error"]
        assert any("in one run" in message.text for message in refused)


async def test_each_run_has_its_own_limit() -> None:
    def turn(messages):
        return DONE if messages[-1].type == "tool" else calls(*[("invoke", {})] * 4)

    enterprise = EchoService("enterprise", invoke="hi")
    b = bench([turn], enterprise, limits=LIMITS)
    for _ in range(10):
        await b.ask()
    assert len(enterprise.calls) == 40
