"""The chat model on Model Studio's wire: pieces joined to a response, and failures and odd answers."""

import asyncio
import socket
from contextlib import suppress
from typing import Any

import httpx2
import pytest
from langchain_core.messages import HumanMessage
from starlette.responses import JSONResponse, Response

from graph.error_codes import GraphCode
from graph.models.openai_compatible import model_studio
from identity.errors import ServiceError
from tests.graph.bench import bench
from tests.graph.conftest import Serve
from tests.graph.echo_service import EchoService
from tests.graph.models.qwen_wire import answer, chunk, failure_of, streamed, usage_chunk
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


def invalid_api_key(key):
    message = f"Incorrect API key provided: {key}. For details, see: https://help.example"
    error = {"message": message, "type": "invalid_request_error", "param": None, "code": "invalid_api_key"}
    return JSONResponse({"error": error, "request_id": "d6a1"}, 401)


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize(
    ("response", "status", "word"),
    [
        (invalid_api_key("sk-canary"), 401, "invalid_api_key"),
        (
            JSONResponse({"error": {"message": "canary", "code": "limit_requests"}}, 429),
            429,
            "limit_requests",
        ),
        (JSONResponse({"error": {"message": "canary", "code": "canary is here!"}}, 400), 400, "400"),
        (JSONResponse({"error": {"message": "canary", "code": 7}}, 404), 404, "404"),
        (Response("<html>canary</html>", 502, media_type="text/html"), 502, "502"),
        (Response("<html>canary</html>", 200, media_type="text/html"), None, ""),
        (JSONResponse({"canary": True}), None, ""),
    ],
    ids=["401", "429", "400", "404", "502", "html", "no choices"],
)
async def test_failure_has_only_the_status_and_the_code_word(
    serve: Serve, model_at: Any, response: Any, status: Any, word: str, stream: bool
) -> None:
    wire_model = WireModel(response)
    model = model_at(await serve(wire_model))
    call = streamed(model) if stream else model.ainvoke([HumanMessage("hi")])
    error = await failure_of(call)
    assert error.status == status
    assert word in error.detail


async def test_error_within_a_stream_fails_with_its_code_word(serve: Serve, model_at: Any) -> None:
    error = {"error": {"message": "canary", "type": "server_error", "code": "internal_error"}}
    wire_model = WireModel([chunk({"content": "Sun"}), error])
    found = await failure_of(streamed(model_at(await serve(wire_model))))
    assert "internal_error" in found.detail


async def test_interrupted_stream_fails(serve: Serve, model_at: Any) -> None:
    wire_model = WireModel([chunk({"content": "Sun"}), "data: {broken\n\n"])
    await failure_of(streamed(model_at(await serve(wire_model))))


async def test_unreachable_service_fails(model_at: Any) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    error = await failure_of(model_at(f"http://127.0.0.1:{port}").ainvoke([HumanMessage("hi")]))
    assert error.status is None


CHOICES = [[], {}, None, "canary", 7, [7], [None], [{}], [{"message": []}], [{"delta": []}]]


@pytest.mark.parametrize("choices", CHOICES)
async def test_response_without_a_choice_fails(serve: Serve, model_at: Any, choices: Any) -> None:
    wire_model = WireModel({**answer({"content": "x"}), "choices": choices})
    model = model_at(await serve(wire_model))
    await failure_of(model.ainvoke([HumanMessage("hi")]))


@pytest.mark.parametrize("choices", CHOICES)
async def test_piece_without_a_choice_fails_or_has_no_text(serve: Serve, model_at: Any, choices: Any) -> None:
    wire_model = WireModel([{**chunk({"content": "x"}), "choices": choices}])
    model = model_at(await serve(wire_model))
    text = ""
    with suppress(ServiceError):
        _, whole = await streamed(model)
        text = whole.text
    assert text == ""


@pytest.mark.parametrize(
    "usage",
    [
        {"prompt_tokens": "canary", "completion_tokens": None, "total_tokens": []},
        {"prompt_tokens": 1.5, "completion_tokens": -1, "total_tokens": {}},
    ],
)
async def test_pieces_that_cannot_be_joined_fail_the_call(serve: Serve, usage: dict[str, Any]) -> None:
    wire_model = WireModel([chunk({"content": "Sun"}), {**chunk({"content": "ny"}), "usage": usage}])
    model = model_studio(base_url=await serve(wire_model), model="qwen-plus", max_retries=0)
    with pytest.raises(ServiceError) as caught:
        await bench(model, EchoService("amap", weather="x")).events()
    assert caught.value.code is GraphCode.MODEL_CALL_FAILED
    assert caught.value.__context__ is None, "the original has the service's text"
    await model.aclose()


@pytest.mark.parametrize(
    ("headers", "requested"),
    [
        ({"Retry-After": "nan"}, None),
        ({"Retry-After-Ms": "60000"}, None),
        ({"Retry-After": "2", "Retry-After-Ms": "60000"}, "2"),
        ({"Retry-After": "Wed, 21 Oct 2099 07:28:00 GMT"}, "86400"),
        ({}, None),
    ],
)
async def test_client_reads_only_a_valid_wait(
    serve: Serve, model_at: Any, headers: dict[str, str], requested: str | None
) -> None:
    wire_model = WireModel(Response("{}", 503, headers=headers))
    model = model_at(await serve(wire_model))
    response = await model.http_async_client.post(
        model.openai_api_base, json={}, headers={"Authorization": "Bearer x"}
    )
    assert response.headers.get("retry-after") == requested
    assert "retry-after-ms" not in response.headers
