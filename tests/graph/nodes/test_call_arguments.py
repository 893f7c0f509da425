"""Tool calls with arguments that parsers cannot handle are refused, and the chat continues."""

import json

import pytest
from langchain_core.messages import AIMessage, ToolMessage
from langgraph.checkpoint.serde.jsonplus import JsonPlusSerializer

from graph.call_arguments import are_valid_arguments, parse_arguments
from graph.models.openai_compatible import model_studio
from tests.graph.bench import bench
from tests.graph.conftest import Serve
from tests.graph.echo_service import EchoService
from tests.graph.models.qwen_wire import answer, chunk
from tests.graph.models.wire_model import WireModel
from tests.graph.scripted_model import DONE
from tests.responsive import responsive

pytestmark = pytest.mark.promise("model-cannot-steer")

DEEP = "[" * 100_000
HOSTILE = {
    "nested": '{"city": ' + DEEP,
    "nested and whole": '{"city": ' + DEEP + "]" * 100_000 + "}",
    "nested objects": '{"a":' * 100_000 + "1" + "}" * 100_000,
    "nested a little too deeply": '{"a":' * 40 + "1" + "}" * 40,
    "no number": '{"a": NaN}',
    "a list": '["Hangzhou"]',
}


def called(arguments: str) -> dict:
    return {"id": "call_0", "type": "function", "function": {"name": "weather", "arguments": arguments}}


def in_pieces(arguments: str, size: int) -> list:
    first = {"index": 0, **called("")}
    pieces = [arguments[at : at + size] for at in range(0, len(arguments), size)]
    more = [{"index": 0, "function": {"arguments": piece}} for piece in pieces]
    return [chunk({"role": "assistant", "tool_calls": [call]}) for call in (first, *more)]


async def answers(serve, amap, first, *, streaming: bool):
    """The last messages sent to the model, and the events or messages of the run."""
    finish = answer({"content": "done"})
    if streaming:
        finish = [chunk({"content": "done"})]
    wire_model = WireModel(first, finish)
    model = model_studio(base_url=await serve(wire_model), model="qwen-plus", max_retries=0)
    b = bench(model, amap)
    try:
        async with responsive():
            events = await b.events() if streaming else await b.ask()
    finally:
        await model.aclose()
    return wire_model.requests[-1]["messages"], events


@pytest.mark.parametrize("pieces", [None, 1, 30])
@pytest.mark.parametrize("form", HOSTILE)
async def test_invalid_arguments_of_a_whole_or_streamed_response_are_refused(
    serve: Serve, form: str, pieces: int | None
) -> None:
    amap, arguments = EchoService("amap", weather="sunny"), HOSTILE[form]
    if pieces is None:
        response = answer({"content": None, "tool_calls": [called(arguments)]}, "tool_calls")
    else:
        response = in_pieces(arguments, -(-len(arguments) // pieces))
    sent, ended = await answers(serve, amap, response, streaming=pieces is not None)
    assert amap.calls == []
    assert (sent[-1]["role"], sent[-1]["tool_call_id"]) == ("tool", "call_0")
    assert "JSON object" in sent[-1]["content"]
    assert sent[-2]["tool_calls"][0]["function"]["arguments"] == "{}"
    assert ended[-1] == {"type": "content", "text": "done"} if pieces else ended[-1].text == "done"


@pytest.mark.parametrize("size", [100, 20_000])
async def test_brackets_in_a_text_are_accepted(serve: Serve, size: int) -> None:
    text = "[{" * 5_000
    amap = EchoService("amap", weather="sunny")
    pieces = in_pieces(json.dumps({"city": text}), size)
    await answers(serve, amap, pieces, streaming=True)
    assert [arguments for _, arguments, _ in amap.calls] == [{"city": text}]


async def test_deeply_nested_body_of_the_model_service_is_a_model_failure(serve: Serve) -> None:
    wire_model = WireModel(['data: {"choices": ' + DEEP + "\n\n"])
    model = model_studio(base_url=await serve(wire_model), model="qwen-plus", max_retries=0)
    with pytest.raises(Exception) as caught:  # noqa: PT011 - its code is the point
        await bench(model, EchoService("amap", weather="x")).events()
    assert str(caught.value).startswith("model_call_failed")
    await model.aclose()


async def test_arguments_of_any_provider_are_validated() -> None:
    deep: dict = {}
    for _ in range(5_000):
        deep = {"a": deep}
    call = {"name": "weather", "args": {"a": float("nan")}, "id": "call_1"}
    amap = EchoService("amap", weather="sunny")
    b = bench([AIMessage("", tool_calls=[call]), DONE], amap)
    _, result, _ = await b.ask()
    assert isinstance(result, ToolMessage)
    assert (result.status, amap.calls) == ("error", [])
    assert not are_valid_arguments(deep)
    assert are_valid_arguments({"a": [1, {"b": "ü😀"}]})


@pytest.mark.parametrize("number", [2**64 - 1, -(2**63), 12345678901234567890, 1e300])
def test_every_number_that_is_accepted_can_be_saved_with_its_run(number: float) -> None:
    arguments = parse_arguments(json.dumps({"amount": number}))
    assert are_valid_arguments(arguments)
    saver = JsonPlusSerializer(pickle_fallback=False)
    assert saver.loads_typed(saver.dumps_typed(arguments)) == {"amount": number}
