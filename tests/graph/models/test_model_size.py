"""The size of a model response that is read, and its encoding."""

import asyncio
import gzip
import json
from typing import Any

import pytest
from langchain_core.messages import HumanMessage
from starlette.responses import JSONResponse, Response, StreamingResponse

from graph.limits import MAX_CALLS
from graph.models.client import MAX_BYTES, MAX_STREAMED_BYTES
from tests.graph.models.qwen_wire import answer, chunk, failure_of, streamed
from tests.graph.models.wire_model import WireModel
from tests.responsive import responsive

pytestmark = pytest.mark.promise("bounded")


EVENTS = "text/event-stream"


class Endless:
    """A body that goes on for 300 MiB, and knows how much of it was sent."""

    def __init__(self, piece):
        self._piece = piece
        self.sent = 0

    def response(self, kind):
        return StreamingResponse(self._pieces(), media_type=kind)

    async def _pieces(self):
        while self.sent < 300 * 1024 * 1024:
            await asyncio.sleep(0)  # lets the server see that the client has gone
            self.sent += len(self._piece)
            yield self._piece


@pytest.fixture
async def model(serve, model_at, wire_model):
    """A model that has answered before: what libraries load at the first call is no matter of the answer."""
    model = model_at(await serve(wire_model), max_retries=1)
    wire_model.answers = [answer({"content": "x"}), [chunk({"content": "x"})]]
    for stream in (False, True):
        await ask(model, stream)
    wire_model.requests.clear()
    return model


def called(arguments: str, *indexes: int) -> str:
    """An event with calls."""
    function = {"name": "pay", "arguments": arguments}
    calls = [{"index": index, "id": f"call_{index}", "function": function} for index in indexes]
    return f"data: {json.dumps(chunk({'tool_calls': calls}))}\n\n"


def ask(model, stream):
    return streamed(model) if stream else model.ainvoke([HumanMessage("hi")])


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize("status", [200, 500])
async def test_answer_without_end_is_not_read_to_its_end(
    model: Any, wire_model: WireModel, stream: bool, status: Any
) -> None:
    body = Endless(b" " * 65_536)
    response = body.response("application/json")
    response.status_code = status
    response.headers["x-should-retry"] = "false"
    wire_model.answers = [response]
    error = await failure_of(ask(model, stream))
    assert error.status == (None if status == 200 else 500)
    assert body.sent < 5 * MAX_BYTES
    if status == 200 and not stream:
        assert f"larger than {MAX_BYTES} bytes" in error.detail


@pytest.mark.parametrize(
    "piece",
    [
        f"data: {json.dumps(chunk({'content': 'a' * 60_000}))}\n\n",
        f"data: {json.dumps(chunk({'reasoning_content': 'a' * 60_000}))}\n\n",
        called('{"text": "' + "a" * 60_000, 0),
        called('{"amount": ' + "1 " * 30_000, 0),
        f": {'x' * 60_000}\n\n",
        "data: {}\n\n" * 6_000,
        "data:\n" * 10_000,
        "x" * 60_000,
    ],
    ids=["text", "thinking", "arguments", "broken arguments", "comments", "nothing", "one event", "one line"],
)
async def test_stream_without_end_is_not_read_to_its_end(
    model: Any, wire_model: WireModel, piece: str
) -> None:
    body = Endless(piece.encode())
    wire_model.answers = [body.response(EVENTS)]
    async with responsive():
        error = await failure_of(streamed(model))
    assert "larger than" in error.detail
    assert body.sent < 3 * MAX_STREAMED_BYTES


async def test_response_ends_at_the_first_call_over_the_limit(model: Any, wire_model: WireModel) -> None:
    events = "".join(called("{}", index) for index in range(10_000))
    body = Endless(events.encode())
    wire_model.answers = [body.response(EVENTS)]
    async with responsive():
        _, message = await streamed(model)
    assert (message.tool_calls, len(message.invalid_tool_calls)) == ([], MAX_CALLS + 1)
    assert body.sent < 5 * len(events)


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize("coding", ["gzip", "br", "zstd", "gzip, gzip"])
async def test_compressed_answer_is_refused_and_not_asked_for(
    model: Any, wire_model: WireModel, stream: bool, coding: str
) -> None:
    body = gzip.compress(json.dumps(answer({"content": "x" * 1_000_000})).encode())
    wire_model.answers = [Response(body, headers={"content-type": EVENTS, "content-encoding": coding})]
    error = await failure_of(ask(model, stream))
    assert "compressed" in error.detail
    assert len(wire_model.requests) == 1


async def test_compressed_error_keeps_its_status(model: Any, wire_model: WireModel) -> None:
    wire_model.answers = [Response(b"\x1f\x8b", 401, headers={"content-encoding": "gzip"})]
    assert (await failure_of(ask(model, stream=False))).status == 401


@pytest.mark.parametrize("codec", ["punycode", "zlib", "hex", "rot13", "utf-16"])
@pytest.mark.parametrize("status", [200, 400, 502])
@pytest.mark.parametrize("stream", [False, True])
async def test_codec_is_never_the_services_choice(
    model: Any, wire_model: WireModel, codec: str, status: Any, stream: bool
) -> None:
    body = b"-\xc3\xa9a" * 60_000
    kind = {"content-type": f"text/plain; charset={codec}"}
    wire_model.answers = [Response(body, status, headers={**kind, "x-should-retry": "false"})]
    async with responsive():
        error = await failure_of(ask(model, stream))
    assert error.status == (None if status == 200 else status)


async def test_streamed_text_is_utf_8_whatever_charset_is_named(model: Any, wire_model: WireModel) -> None:
    sent = chunk({"content": "晴 "}, finish_reason="stop")
    events = f"data: {json.dumps(sent, ensure_ascii=False)}\n\ndata: [DONE]\n\n"
    wire_model.answers = [Response(events.encode(), headers={"content-type": f"{EVENTS}; charset=punycode"})]
    _, whole = await streamed(model)
    assert whole.content == "晴 "


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize("inner", ["[]," * 300_000 + "[]", "[" * 90_000 + "]" * 90_000], ids=["wide", "deep"])
async def test_json_that_is_wide_or_deep_fails_and_holds_up_nothing(
    model: Any, wire_model: WireModel, inner: str, stream: bool
) -> None:
    whole = f'{{"choices":[{{"index":0,"message":{{"content":[{inner}]}},"delta":{{"x":[{inner}]}}}}]}}'
    body = f"data: {whole}\n\n" if stream else whole
    wire_model.answers = [Response(body, media_type=EVENTS if stream else "application/json")]
    async with responsive():
        await failure_of(ask(model, stream))


async def test_usual_sizes_pass(model: Any, wire_model: WireModel) -> None:
    text = "天气 sunny\n" * 20_000
    wire_model.answers = [JSONResponse(answer({"content": text}))]
    assert (await ask(model, stream=False)).content == text
    wire_model.answers = [[chunk({"content": "token "})] * 5_000]
    assert (await ask(model, stream=True))[1].content == "token " * 5_000
