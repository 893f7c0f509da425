"""The model sends the key of each caller; neither an echo nor the model itself shows it."""

import asyncio
import json
from typing import Any

import pytest
from langchain_core.callbacks import AsyncCallbackHandler
from langchain_core.load import dumps
from langchain_core.messages import HumanMessage
from starlette.responses import JSONResponse

from identity.secrets.secret import REDACTED, Secret
from tests.graph.conftest import Serve
from tests.graph.models.qwen_wire import answer, chunk, failure_of, streamed
from tests.graph.models.wire_model import WireModel


async def test_one_model_sends_the_key_of_each_caller(serve: Serve, model_at: Any) -> None:
    wire_model = WireModel(
        lambda request, key: answer({"content": f"{request['messages'][0]['content']} {key[::-1]}"})
    )
    model = model_at(await serve(wire_model))

    async def ask(n):
        return await model.ainvoke([HumanMessage(str(n))], api_key=Secret(f"sk-{n}"))

    answers = await asyncio.gather(*(asyncio.create_task(ask(n)) for n in range(16)))
    assert [a.text for a in answers] == [f"{n} {f'sk-{n}'[::-1]}" for n in range(16)]


class TokenListener(AsyncCallbackHandler):
    """Has the methods by which LangChain knows a listener that wants pieces."""

    def __init__(self):
        self.heard = []

    async def on_llm_new_token(self, token, *, chunk=None, **_):
        self.heard.append((token, chunk))

    def tap_output_aiter(self, _run_id, output):
        return output

    tap_output_iter = tap_output_aiter


@pytest.mark.promise("no-secret-leaves")
@pytest.mark.parametrize("sizes", [[100], [1, 1, 1, 2], [2, 3]])
async def test_key_in_a_response_is_redacted_whole_or_in_pieces(
    serve: Serve, model_at: Any, sizes: list[int]
) -> None:
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
    wire_model = WireModel(
        [
            *deltas("reasoning_content", text),
            *deltas("content", text),
            chunk(begin),
            *deltas("", argument),
            chunk(end, finish_reason="tool_calls"),
        ],
        answer({"content": f"{key}s", "reasoning_content": key, "tool_calls": [_as_sent(calls[0])]}),
        JSONResponse({"error": {"code": key, "message": key}}, 400),
    )
    model = model_at(await serve(wire_model)).bind(api_key=Secret(key))
    listener = TokenListener()
    reader, whole = await streamed(model, config={"callbacks": [listener]})
    assert whole.text == "".join(reader.texts) == f"{REDACTED}s"
    assert whole.additional_kwargs["reasoning_content"] == f"{REDACTED}s"
    assert whole.tool_calls[0]["args"] == {"a": f"{REDACTED}s"}
    assert "".join(token for token, _ in listener.heard) == f"{REDACTED}s"
    assert key not in repr((reader.pieces, whole, listener.heard))
    whole_response = await model.ainvoke([HumanMessage("hi")])
    assert whole_response.text == f"{REDACTED}s"
    assert whole_response.tool_calls[0]["args"] == {"a": REDACTED}
    assert key not in repr(whole_response)
    assert key not in str(await failure_of(model.ainvoke([HumanMessage("hi")])))


def _as_sent(call):
    return {
        "id": call["id"],
        "type": "function",
        "function": {"name": call["name"], "arguments": call["args"]},
    }


async def test_model_shows_no_key(serve: Serve, model_at: Any) -> None:
    wire_model = WireModel(answer({"content": "x"}))
    model = model_at(await serve(wire_model))
    seen = []

    class Tracer(AsyncCallbackHandler):
        async def on_chat_model_start(self, *args, **kwargs):
            seen.append(repr((args, kwargs)))

    await model.ainvoke([HumanMessage("hi")], {"callbacks": [Tracer()]})
    assert seen
    for text in (*seen, repr(model), str(model), dumps(model), str(model.bound._identifying_params)):
        assert "canary" not in text
