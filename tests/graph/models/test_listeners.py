"""What LangGraph's streams show of a response: its text as it arrives, and its calls as they are run."""

import json
from collections.abc import AsyncIterator
from typing import Any

import pytest
from langchain_core.messages import AIMessage, AIMessageChunk

from graph.context import AgentContext
from graph.models.openai_compatible import model_studio
from identity.errors import ServiceError
from identity.secrets.secret import Secret
from tests.graph.bench import Bench, bench
from tests.graph.conftest import Serve
from tests.graph.echo_service import EchoService
from tests.graph.models.qwen_wire import chunk, usage_chunk
from tests.graph.models.wire_model import WireModel

QUESTION = {"messages": [("user", "hi")]}


def call(index: int, function: dict[str, str], call_id: str = "") -> dict[str, Any]:
    return chunk({"tool_calls": [{"index": index, "id": call_id, "type": "function", "function": function}]})


CALLS = [
    chunk({"content": None, "reasoning_content": "The user "}),
    chunk({"content": None, "reasoning_content": "asks"}),
    chunk({"content": "I "}),
    chunk({"content": "look"}),
    call(0, {"name": "maps_", "arguments": ""}, "call_1"),
    call(0, {"name": "weather", "arguments": '{"amount": 9007199254740993, '}),
    call(0, {"arguments": '"rate": 0.1}'}),
    call(1, {"name": "maps_weather", "arguments": '{"city": 1} {"city": 2}'}, "call_2"),
    chunk({}, finish_reason="tool_calls"),
    usage_chunk(),
]
ARGUMENTS = {"amount": 9007199254740993, "rate": 0.1}


@pytest.fixture
async def agent(serve: Serve, wire_model: WireModel) -> AsyncIterator[Bench]:
    wire_model.answers = [CALLS, [chunk({"content": "done"})]]
    model = model_studio(base_url=await serve(wire_model), model="qwen-plus", max_retries=0)
    yield bench(model, EchoService("amap", maps_weather="sunny"))
    await model.aclose()


def context() -> AgentContext:
    return AgentContext(Secret("alice-at"))


async def test_mode_messages_shows_pieces_and_then_whole_calls(agent: Bench) -> None:
    stream = agent.graph.astream(QUESTION, context=context(), stream_mode="messages")
    parts = [part async for part, _ in stream]
    pieces = [part for part in parts if isinstance(part, AIMessageChunk)]
    first = [part for part in pieces if part.id == pieces[0].id]
    assert [part.text for part in first if part.text] == ["I ", "look"]
    thoughts = [part.additional_kwargs.get("reasoning_content") for part in first]
    assert [thought for thought in thoughts if thought] == ["The user ", "asks"]
    assert [part for part in first[:-1] if part.tool_call_chunks] == []
    assert [(each["name"], each["args"]) for each in first[-1].tool_calls] == [("maps_weather", ARGUMENTS)]
    whole = first[0]
    for part in first[1:]:
        whole += part
    assert [json.loads(each["args"]) for each in whole.tool_call_chunks if each["args"]] == [ARGUMENTS]
    assert whole.usage_metadata is not None
    assert not [part for part in parts if isinstance(part, AIMessage) and part not in pieces], "shown once"
    assert agent.services[0].calls == [("maps_weather", ARGUMENTS, None)]


async def test_event_protocol_joins_a_name_in_two_pieces_and_shows_what_is_run(agent: Bench) -> None:
    stream = await agent.graph.astream_events(QUESTION, context=context(), version="v3")
    events = [event["params"]["data"][0] async for event in stream if event["method"] == "messages"]
    first = events[: [event["event"] for event in events].index("message-finish") + 1]
    finished = [event["content"] for event in first if event["event"] == "content-block-finish"]
    calls = [block for block in finished if block["type"].endswith("tool_call")]
    assert [block["name"] for block in calls] == ["maps_weather", "maps_weather"]
    thought, text = {"type": "reasoning", "reasoning": "The user asks"}, {"type": "text", "text": "I look"}
    assert finished[:2] == [thought, text]
    good, bad = finished[2:]
    assert (good["type"], good["id"], good["name"], good["args"]) == (
        "tool_call",
        "call_1",
        "maps_weather",
        ARGUMENTS,
    )
    assert (bad["type"], bad["id"], bad["name"]) == ("invalid_tool_call", "call_2", "maps_weather")
    started = [event for event in first if event["event"] == "content-block-start"]
    assert [event["index"] for event in started] == [0, 1, 2, 3]
    assert started[2]["content"]["name"] == "maps_weather"
    deltas = [event["delta"] for event in first if event["event"] == "content-block-delta"]
    assert deltas == [
        {"type": "reasoning-delta", "reasoning": "The user "},
        {"type": "reasoning-delta", "reasoning": "asks"},
        {"type": "text-delta", "text": "I "},
        {"type": "text-delta", "text": "look"},
    ]
    assert first[0]["id"]
    assert first[-1]["metadata"]["finish_reason"] == "tool_calls"
    assert first[-1]["usage"]["total_tokens"] == 140
    assert agent.services[0].calls == [("maps_weather", ARGUMENTS, None)]


@pytest.mark.promise("model-cannot-steer")
@pytest.mark.parametrize("end", [[chunk({}, finish_reason="length")], ["cut"]], ids=["length", "cut"])
@pytest.mark.parametrize("version", ["messages", "v2", "v3"])
async def test_no_stream_shows_or_runs_a_call_that_was_cut_off(
    agent: Bench, wire_model: WireModel, version: Any, end: list[Any]
) -> None:
    wire_model.answers = [[*CALLS[:5], call(0, {"arguments": '{"amount": 50'}), *end]]
    shown: list[Any] = []
    try:
        if version == "messages":
            stream = agent.graph.astream(QUESTION, context=context(), stream_mode="messages")
        elif version == "v2":
            stream = agent.graph.astream_events(QUESTION, context=context(), version="v2")
        else:
            stream = await agent.graph.astream_events(QUESTION, context=context(), version="v3")
        shown = [part async for part in stream]
        assert end != ["cut"]
    except ServiceError:
        assert end == ["cut"]
    assert "amount" not in repr(shown)
    assert ("'finish_reason': 'length'" in repr(shown)) == (end != ["cut"])
    assert agent.services[0].calls == []
