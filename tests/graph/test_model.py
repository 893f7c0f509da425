"""`QwenChat` against a service that speaks Model Studio's wire format, its oddities included."""

import asyncio
import functools
import json
import operator
import socket

import httpx2
import pytest
from langchain_core.callbacks import AsyncCallbackHandler
from langchain_core.load import dumps
from langchain_core.messages import HumanMessage
from starlette.responses import JSONResponse, Response

from graph.api_key import api_key
from graph.model import qwen_chat
from identity.error_table import ErrorCode
from identity.errors import ServiceError
from identity.secret import REDACTED, Secret

TOOLS = [{"type": "function", "function": {"name": "maps_weather", "parameters": {"type": "object"}}}]
USAGE = {
    "prompt_tokens": 20,
    "completion_tokens": 120,
    "total_tokens": 140,
    "completion_tokens_details": {"reasoning_tokens": 80},
    "prompt_tokens_details": {"cached_tokens": 0},
}


def chunk(delta, **choice):
    return {
        "id": "chatcmpl-1",
        "object": "chat.completion.chunk",
        "created": 1795526961,
        "model": "qwen-plus",
        "system_fingerprint": None,
        "usage": None,
        "choices": [{"index": 0, "delta": delta, "logprobs": None, **choice}],
    }


def usage_chunk():
    return {**chunk({}), "choices": [], "usage": USAGE}


def answer(message, finish_reason="stop"):
    return {
        "id": "chatcmpl-1",
        "object": "chat.completion",
        "created": 1795526961,
        "model": "qwen-plus",
        "choices": [
            {"index": 0, "message": {"role": "assistant", **message}, "finish_reason": finish_reason}
        ],
        "usage": USAGE,
    }


def invalid_api_key(key):
    message = f"Incorrect API key provided: {key}. For details, see: https://help.example"
    error = {"message": message, "type": "invalid_request_error", "param": None, "code": "invalid_api_key"}
    return JSONResponse({"error": error, "request_id": "d6a1"}, 401)


@pytest.fixture
async def model_at():
    models = []

    def make(origin, **options):
        options = {"model": "qwen-plus", "max_retries": 0, **options}
        models.append(qwen_chat(base_url=f"{origin}/compatible-mode/v1", **options))
        return models[-1]

    api_key.set(Secret("sk-canary"))
    yield make
    for model in models:
        await model.http_async_client.aclose()


async def streamed(model, **options):
    chunks = [part async for part in model.astream([HumanMessage("hi")], **options)]
    whole = chunks[0]
    for part in chunks[1:]:
        whole += part
    return chunks, whole


async def failure_of(call) -> ServiceError:
    with pytest.raises(ServiceError) as caught:
        await call
    error = caught.value
    assert error.code is ErrorCode.MODEL_CALL_FAILED
    assert "canary" not in str(error)
    assert error.__cause__ is None
    assert error.__context__ is None, "the client's error has the service's text"
    return error


async def test_thinking_and_content_arrive_piece_by_piece_with_the_usage(serve, model_at, wire_model):
    wire_model.answers = [
        [
            chunk({"role": "assistant", "content": None, "reasoning_content": ""}, finish_reason=None),
            chunk({"content": None, "reasoning_content": "The user "}, finish_reason=None),
            chunk({"content": None, "reasoning_content": "asks"}),
            chunk({"content": "Sun", "reasoning_content": None}, finish_reason=None),
            chunk({"content": "ny", "reasoning_content": None}, finish_reason=None),
            chunk({"content": "", "reasoning_content": None}, finish_reason="stop"),
            usage_chunk(),
        ]
    ]
    model = model_at(await serve(wire_model), enable_thinking=True)
    chunks, whole = await streamed(model)
    assert [c.text for c in chunks if c.text] == ["Sun", "ny"]
    assert whole.additional_kwargs["reasoning_content"] == "The user asks"
    assert whole.usage_metadata["total_tokens"] == 140
    assert whole.usage_metadata["output_token_details"]["reasoning"] == 80
    (request,) = wire_model.requests
    assert (request["model"], request["enable_thinking"], request["stream"]) == ("qwen-plus", True, True)
    assert request["stream_options"] == {"include_usage": True}
    assert wire_model.keys == ["sk-canary"]


async def test_an_answer_at_once_keeps_thinking_usage_and_calls(serve, model_at, wire_model):
    call = {
        "id": "call_1",
        "type": "function",
        "function": {"name": "maps_weather", "arguments": '{"city":"杭州"}'},
    }
    wire_model.answers = [
        answer({"content": "", "reasoning_content": "Hm", "tool_calls": [call]}, finish_reason="tool_calls")
    ]
    model = model_at(await serve(wire_model))
    whole = await model.ainvoke([HumanMessage("hi")], tools=TOOLS, parallel_tool_calls=True)
    assert whole.additional_kwargs["reasoning_content"] == "Hm"
    assert [(c["name"], c["args"], c["id"]) for c in whole.tool_calls] == [
        ("maps_weather", {"city": "杭州"}, "call_1")
    ]
    assert whole.usage_metadata["input_tokens"] == 20
    (request,) = wire_model.requests
    assert (request["tools"], request["parallel_tool_calls"]) == (TOOLS, True)
    assert request["enable_thinking"] is False


async def test_odd_chunks_of_tool_calls_are_put_together_by_index(serve, model_at, wire_model):
    def calls(*parts, **choice):
        return chunk({"tool_calls": list(parts)}, **choice)

    def part(index, id_, function, **more):
        return {"index": index, "id": id_, "type": "function", "function": function, **more}

    wire_model.answers = [
        [
            {**calls(part(0, "call_0bdc", {"name": "maps_weather", "arguments": '{"city":'})), "usage": None},
            calls(part(0, "", {"arguments": ' "杭州"'})),  # an empty id, the type again, no finish_reason
            calls(part(0, "", {"name": "", "arguments": "}"})),
            calls(part(0, "", {})),  # no function
            calls({"index": 0, "id": ""}),
            calls(part(0, "", {"arguments": None})),
            calls(part(1, "call_1ff0", {"name": "call_enterprise_service", "arguments": ""})),
            calls(part(1, "", {"arguments": "{}"})),
            {"id": "chatcmpl-1", "choices": [{"finish_reason": "tool_calls", "delta": {}, "index": 0}]},
            {"id": "chatcmpl-1", "choices": [{"index": 0, "delta": None}]},
        ]
    ]
    _, whole = await streamed(model_at(await serve(wire_model)), tools=TOOLS)
    assert [(c["name"], c["args"], c["id"]) for c in whole.tool_calls] == [
        ("maps_weather", {"city": "杭州"}, "call_0bdc"),
        ("call_enterprise_service", {}, "call_1ff0"),
    ]
    assert whole.invalid_tool_calls == []


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
async def test_failures_have_the_status_and_the_code_word_and_nothing_else(
    serve, model_at, wire_model, response, status, word, stream
):
    wire_model.answers = [response]
    model = model_at(await serve(wire_model))
    call = streamed(model) if stream else model.ainvoke([HumanMessage("hi")])
    error = await failure_of(call)
    assert error.status == status
    assert word in error.detail


async def test_an_error_in_mid_stream_fails_by_its_code_word(serve, model_at, wire_model):
    error = {"error": {"message": "canary", "type": "server_error", "code": "internal_error"}}
    wire_model.answers = [[chunk({"content": "Sun"}), error]]
    found = await failure_of(streamed(model_at(await serve(wire_model))))
    assert "internal_error" in found.detail


async def test_a_stream_that_breaks_off_fails(serve, model_at, wire_model):
    wire_model.answers = [[chunk({"content": "Sun"}), "data: {broken\n\n"]]
    await failure_of(streamed(model_at(await serve(wire_model))))


async def test_a_service_that_cannot_be_reached_fails(model_at):
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    error = await failure_of(model_at(f"http://127.0.0.1:{port}").ainvoke([HumanMessage("hi")]))
    assert error.status is None


async def test_redirects_are_not_followed_and_cookies_not_kept(serve, model_at, wire_model):
    wire_model.answers = [Response(status_code=307, headers={"Location": "http://127.0.0.1:1/"})]
    model = model_at(await serve(wire_model))
    assert (await failure_of(model.ainvoke([HumanMessage("hi")]))).status == 307
    wire_model.answers = [
        JSONResponse(answer({"content": "x"}), headers={"Set-Cookie": "user=alice; Path=/"})
    ]
    await model.ainvoke([HumanMessage("hi")])
    assert not model.http_async_client.cookies


async def test_one_model_sends_every_caller_s_own_key(serve, model_at, wire_model):
    wire_model.answers = [
        lambda request, key: answer({"content": f"{request['messages'][0]['content']} {key[::-1]}"})
    ]
    model = model_at(await serve(wire_model))

    async def ask(n):
        api_key.set(Secret(f"sk-{n}"))
        return await model.ainvoke([HumanMessage(str(n))])

    answers = await asyncio.gather(*(asyncio.create_task(ask(n)) for n in range(16)))
    assert [a.text for a in answers] == [f"{n} {f'sk-{n}'[::-1]}" for n in range(16)]


@pytest.mark.promise("no-secret-leaves")
@pytest.mark.parametrize("sizes", [[100], [1, 1, 1, 2], [2, 3]])
async def test_a_key_that_the_service_echoes_is_taken_out_whole_or_in_pieces(
    serve, model_at, wire_model, sizes
):
    key = "sk-echo-canary"
    pieces = [key[sum(sizes[:n]) :][:size] for n, size in enumerate(sizes)] + [key[sum(sizes) :], "s"]
    calls = [{"name": "x", "args": json.dumps({"a": key}), "id": "call_1", "type": "tool_call"}]

    def deltas(name, wrap):
        return [chunk(wrap(name, piece)) for piece in pieces]

    def text(name, piece):
        return {name: piece}

    def argument(_, piece):
        call = {"index": 0, "id": "", "function": {"arguments": piece}}
        return {"tool_calls": [call]}

    begin = {"tool_calls": [{"index": 0, "id": "call_1", "function": {"name": "x", "arguments": '{"a": "'}}]}
    end = {"tool_calls": [{"index": 0, "id": "", "function": {"arguments": '"}'}}]}
    wire_model.answers = [
        [
            *deltas("reasoning_content", text),
            *deltas("content", text),
            chunk(begin),
            *deltas("", argument),
            chunk(end, finish_reason="tool_calls"),
        ],
        answer({"content": f"{key}s", "reasoning_content": key, "tool_calls": [_as_sent(calls[0])]}),
        JSONResponse({"error": {"code": key, "message": key}}, 400),
    ]
    model = model_at(await serve(wire_model))
    api_key.set(Secret(key))
    heard = []

    class Listener(AsyncCallbackHandler):
        async def on_llm_new_token(self, token, *, chunk=None, **_):
            heard.append((token, chunk))

    chunks = [
        piece async for piece in model.astream([HumanMessage("hi")], config={"callbacks": [Listener()]})
    ]
    whole = functools.reduce(operator.add, chunks)
    assert whole.text == f"{REDACTED}s"
    assert whole.additional_kwargs["reasoning_content"] == f"{REDACTED}s"
    assert whole.tool_calls[0]["args"] == {"a": f"{REDACTED}s"}
    assert heard
    assert key not in repr((chunks, whole)) + "".join(token for token, _ in heard)
    said = await model.ainvoke([HumanMessage("hi")])
    assert said.text == f"{REDACTED}s"
    assert said.tool_calls[0]["args"] == {"a": REDACTED}
    assert key not in repr(said)
    assert key not in str(await failure_of(model.ainvoke([HumanMessage("hi")])))


def _as_sent(call):
    return {
        "id": call["id"],
        "type": "function",
        "function": {"name": call["name"], "arguments": call["args"]},
    }


async def test_the_model_shows_no_key(serve, model_at, wire_model):
    wire_model.answers = [answer({"content": "x"})]
    model = model_at(await serve(wire_model))
    seen = []

    class Tracer(AsyncCallbackHandler):
        async def on_chat_model_start(self, *args, **kwargs):
            seen.append(repr((args, kwargs)))

    await model.ainvoke([HumanMessage("hi")], {"callbacks": [Tracer()]})
    assert seen
    for text in (*seen, repr(model), str(model), dumps(model), str(model._identifying_params)):
        assert "canary" not in text


async def test_leaving_a_stream_closes_the_connection(serve, model_at, wire_model):
    wire_model.answers = [[chunk({"content": "Sun"}), "hang"]]
    model = model_at(await serve(wire_model))
    task = asyncio.create_task(streamed(model))
    await wire_model.streaming.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    await asyncio.wait_for(wire_model.left.wait(), 5)


def test_it_is_a_client_of_the_library_that_the_sdk_uses():
    model = qwen_chat(base_url="https://model.example/v1", model="qwen-plus")
    assert isinstance(model.http_async_client, httpx2.AsyncClient)
