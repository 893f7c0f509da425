"""The graph's nodes, its rounds between model and services, and the model's prompt and tools."""

import asyncio

import pytest
from langchain_core.messages import HumanMessage, SystemMessage

from graph.context import AgentContext
from graph.limits import Limits
from identity.errors import ServiceError
from identity.secrets.secret import Secret
from tests.graph.bench import AMAP_KEY, ENTERPRISE_SCOPE, bench
from tests.graph.echo_service import EchoService
from tests.graph.scripted_model import DONE, calls
from tools.error_codes import ToolCode


async def test_nodes_have_the_names_of_the_documented_picture() -> None:
    graph = bench([DONE], EchoService("amap"), EchoService("enterprise")).graph.get_graph()
    assert set(graph.nodes) == {
        "__start__", "authenticate", "credentials", "model", "approvals", "amap", "enterprise", "__end__",
    }  # fmt: skip
    edges = {(edge.source, edge.target) for edge in graph.edges}
    assert {("authenticate", "credentials"), ("credentials", "model"), ("amap", "model")} <= edges


@pytest.mark.parametrize("name", ["model", "credentials", "authenticate", "__end__"])
def test_service_with_the_name_of_a_node_is_refused(name: str) -> None:
    with pytest.raises(ValueError, match="service names"):
        bench([DONE], EchoService(name))


def test_two_services_of_one_name_are_refused() -> None:
    with pytest.raises(ValueError, match="service names"):
        bench([DONE], EchoService("amap"), EchoService("amap"))


async def test_calls_of_several_services_run_concurrently() -> None:
    together = asyncio.Barrier(3)

    async def meet():
        await asyncio.wait_for(together.wait(), 5)
        return "met"

    b = bench(
        [calls(("weather", {"city": "x"}), ("weather", {"city": "y"}), ("invoke", {})), DONE],
        EchoService("amap", AMAP_KEY, weather=meet),
        EchoService("enterprise", ENTERPRISE_SCOPE, invoke=meet),
    )
    answer, *results, final = await b.ask()
    assert [call["id"] for call in answer.tool_calls] == ["call_1", "call_2", "call_3"]
    assert {(r.tool_call_id, r.text, r.status) for r in results} == {
        ("call_1", "met", "success"), ("call_2", "met", "success"), ("call_3", "met", "success"),
    }  # fmt: skip
    assert final.text == "done"
    assert sorted(b.vault.obtained) == sorted(
        [("llm_api_key", "machine"), ("amap_api_key", "machine"), (ENTERPRISE_SCOPE.scope, "machine")]
    )


async def test_rounds_continue_until_a_response_without_calls() -> None:
    b = bench(
        [calls(("geo", {})), calls(("weather", {})), DONE], EchoService("amap", geo="120,30", weather="sunny")
    )
    assert [m.type for m in await b.ask()] == ["ai", "tool", "ai", "tool", "ai"]


async def test_after_the_last_round_the_model_is_called_without_tools_and_with_a_note() -> None:
    b = bench(
        [calls(("weather", {}), text="looking")],
        EchoService("amap", weather="sunny"),
        limits=Limits(tool_rounds=2),
    )
    messages = await b.ask()
    assert [m.type for m in messages] == ["ai", "tool", "ai", "tool", "ai"]
    assert b.model.tools == [["weather"], ["weather"], []]
    assert "No tool can be called any more" in str(b.model.asked[-1][0].content)
    assert messages[-1].text == "looking"
    assert messages[-1].tool_calls == []  # the scripted model calls on, though nothing was offered


async def test_service_that_cannot_list_its_tools_is_left_out_with_a_note_for_the_model() -> None:
    amap = EchoService("amap", weather="x")
    amap.listing = ServiceError(ToolCode.EXTERNAL_SERVICE_FAILED, "could not be reached")
    b = bench([DONE], amap, EchoService("enterprise", invoke="y"))
    assert (await b.ask())[-1].text == "done"
    assert b.model.tools == [["invoke"]]
    assert "external_service_failed" in str(b.model.asked[0][0].content)
    amap.listing = KeyError("canary")
    await b.ask()
    assert "canary" not in str(b.model.asked[1][0].content)


async def test_prompt_is_one_system_message_without_the_caller() -> None:
    b = bench([DONE], EchoService("amap", weather="x"))
    messages = [SystemMessage("Be brief."), HumanMessage("hi")]
    await b.graph.ainvoke({"messages": messages}, context=AgentContext(Secret("alice-at")))
    system, *rest = b.model.asked[0]
    assert str(system.content).endswith("Be brief.")
    assert [m.type for m in rest] == ["human"]
    assert "alice" not in str(b.model.asked[0])


async def test_static_model_key_needs_no_credential() -> None:
    b = bench([DONE], EchoService("amap", weather="sunny"), api_key=Secret("sk-static"))
    await b.ask()
    assert b.model.keys == ["sk-static"]
    assert b.vault.obtained == []


async def test_system_prompt_replaces_the_built_in_one() -> None:
    b = bench([DONE], EchoService("amap", weather="sunny"), system_prompt="You answer about pay.")
    await b.ask()
    assert b.model.asked[0][0].content == "You answer about pay."
