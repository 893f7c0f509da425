"""How a call of the model fails: with the status and the code word, and nothing else of the service's."""

import socket
from typing import Any

import pytest
from langchain_core.messages import HumanMessage
from starlette.responses import JSONResponse, Response

from tests.graph.conftest import Serve
from tests.graph.models.qwen_wire import answer, chunk, failure_of, streamed
from tests.graph.models.wire_model import WireModel


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


async def test_redirects_are_not_followed_and_cookies_are_not_stored(serve: Serve, model_at: Any) -> None:
    wire_model = WireModel(Response(status_code=307, headers={"Location": "http://127.0.0.1:1/"}))
    model = model_at(await serve(wire_model))
    assert (await failure_of(model.ainvoke([HumanMessage("hi")]))).status == 307
    wire_model.answers = [
        JSONResponse(answer({"content": "x"}), headers={"Set-Cookie": "user=alice; Path=/"})
    ]
    await model.ainvoke([HumanMessage("hi")])
    assert not model.http_async_client.cookies
