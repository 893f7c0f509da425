"""`model_studio` against a service that speaks Model Studio's wire format, its oddities included."""

import asyncio
from typing import Any

import httpx2
import pytest
from langchain_core.messages import HumanMessage

from graph.models.openai_compatible import model_studio
from tests.graph.conftest import Serve
from tests.graph.models.qwen_wire import answer, chunk, streamed, usage_chunk
from tests.graph.models.wire_model import WireModel

TOOLS = [{"type": "function", "function": {"name": "maps_weather", "parameters": {"type": "object"}}}]


async def test_thinking_content_and_usage_arrive_in_pieces(serve: Serve, model_at: Any) -> None:
    wire_model = WireModel(
        [
            chunk({"role": "assistant", "content": None, "reasoning_content": ""}, finish_reason=None),
            chunk({"content": None, "reasoning_content": "The user "}, finish_reason=None),
            chunk({"content": None, "reasoning_content": "wonders "}),
            chunk({"content": "Sun", "reasoning_content": None}, finish_reason=None),
            chunk({"content": "ny", "reasoning_content": None}, finish_reason=None),
            chunk({"content": "", "reasoning_content": None}, finish_reason="stop"),
            usage_chunk(),
        ]
    )
    model = model_at(await serve(wire_model), enable_thinking=True)
    reader, whole = await streamed(model)
    assert reader.pieces == [("", "The user "), ("", "wonders "), ("Sun", ""), ("ny", "")]
    assert whole.text == "Sunny"
    assert whole.additional_kwargs["reasoning_content"] == "The user wonders "
    assert whole.usage_metadata["total_tokens"] == 140
    assert whole.usage_metadata["output_token_details"]["reasoning"] == 80
    (request,) = wire_model.requests
    assert (request["model"], request["enable_thinking"], request["stream"]) == ("qwen-plus", True, True)
    assert request["stream_options"] == {"include_usage": True}
    assert wire_model.keys == ["sk-canary"]


async def test_whole_response_has_thinking_usage_and_calls(serve: Serve, model_at: Any) -> None:
    call = {
        "id": "call_1",
        "type": "function",
        "function": {"name": "maps_weather", "arguments": '{"city":"杭州"}'},
    }
    wire_model = WireModel(
        answer({"content": "", "reasoning_content": "Hm", "tool_calls": [call]}, finish_reason="tool_calls")
    )
    model = model_at(await serve(wire_model))
    whole = await model.ainvoke([HumanMessage("hi")], tools=TOOLS, parallel_tool_calls=True)
    assert whole.additional_kwargs["reasoning_content"] == "Hm"
    assert [(c["name"], c["args"], c["id"]) for c in whole.tool_calls] == [
        ("maps_weather", {"city": "杭州"}, "call_1")
    ]
    assert whole.usage_metadata["input_tokens"] == 20
    (request,) = wire_model.requests
    assert (request["tools"], request["parallel_tool_calls"]) == (TOOLS, True)
    assert "enable_thinking" not in request


async def test_irregular_chunks_of_tool_calls_are_joined_by_index(serve: Serve, model_at: Any) -> None:
    def calls(*parts, **choice):
        return chunk({"tool_calls": list(parts)}, **choice)

    def part(index, id_, function, **more):
        return {"index": index, "id": id_, "type": "function", "function": function, **more}

    wire_model = WireModel(
        [
            {**calls(part(0, "call_0bdc", {"name": "maps_weather", "arguments": '{"city":'})), "usage": None},
            calls(part(0, "", {"arguments": ' "杭州"'})),  # an empty id, the type again, no finish_reason
            calls(part(0, "", {"name": "maps_weather", "arguments": "}"})),  # the name again
            calls(part(0, "", {})),  # no function
            calls({"index": 0, "id": ""}),
            calls(part(0, "", {"arguments": None})),
            calls(part(1, "call_1ff0", {"name": "call_enterprise_service", "arguments": ""})),
            calls(part(1, "", {"arguments": "{}"})),
            {"id": "chatcmpl-1", "choices": [{"finish_reason": "tool_calls", "delta": {}, "index": 0}]},
            {"id": "chatcmpl-1", "choices": [{"index": 0, "delta": None}]},
        ]
    )
    _, whole = await streamed(model_at(await serve(wire_model)), tools=TOOLS)
    assert [(c["name"], c["args"], c["id"]) for c in whole.tool_calls] == [
        ("maps_weather", {"city": "杭州"}, "call_0bdc"),
        ("call_enterprise_service", {}, "call_1ff0"),
    ]
    assert whole.invalid_tool_calls == []


async def test_cancelled_stream_closes_the_connection(serve: Serve, model_at: Any) -> None:
    wire_model = WireModel([chunk({"content": "Sun"}), "hang"])
    model = model_at(await serve(wire_model))
    task = asyncio.create_task(streamed(model))
    await wire_model.streaming.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    await asyncio.wait_for(wire_model.left.wait(), 5)


def test_client_is_of_the_library_that_the_sdk_uses() -> None:
    model = model_studio(base_url="https://model.example/v1", model="qwen-plus")
    assert isinstance(model.chat.http_async_client, httpx2.AsyncClient)
