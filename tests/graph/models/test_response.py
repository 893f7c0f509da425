"""A response is assembled from its pieces once, and its arguments are parsed strictly."""

import json
import tracemalloc
from collections.abc import Callable
from contextlib import suppress
from typing import Any

import pytest
from langchain_openai.chat_models.base import _create_usage_metadata

from graph.limits import MAX_CALLS
from graph.models.arrived import ARRIVED, Arrived
from graph.models.response import ModelResponse
from identity.errors import ServiceError
from identity.secrets.secret import Secret
from identity.transport.body import ResponseTooLargeError

Delta = dict[str, Any]


def response_of(*deltas: Delta | None, finish: str = "tool_calls") -> Any:
    response = ModelResponse(Secret("sk-canary"))
    for delta in deltas:
        response.add({"choices": [{"index": 0, "delta": delta}]})
    response.add({"choices": [{"index": 0, "delta": {}, "finish_reason": finish}]})
    response.rest()
    return response.message("m1")


def called(
    arguments: str | None, index: int | None = 0, call_id: str | None = "", name: str | None = None
) -> Delta:
    function = {"arguments": arguments, "name": name}
    return {"tool_calls": [{"index": index, "id": call_id, "function": function}]}


BIG = 10**4_000 + 1
GOOD: dict[str, dict[str, Any]] = {
    "": {},
    "{}": {},
    ' {"a": 1}\n': {"a": 1},
    '{"a": 9007199254740993, "b": [0.1, 1.0, 1e2]}': {"a": 9007199254740993, "b": [0.1, 1.0, 100.0]},
    f'{{"a": [{-(2**63)}, {2**64 - 1}]}}': {"a": [-(2**63), 2**64 - 1]},
    '{"text": "a {\\"b\\": 1} {}"}': {"text": 'a {"b": 1} {}'},
    json.dumps({"text": ",[{" * 20_000}): {"text": ",[{" * 20_000},
}
BAD = (
    f'{{"a": {2**64}}}',
    f'{{"a": -{BIG}}}',
    '{"amount": 50',
    '{"reason": "x", "amount": 50',
    '{"reason": "x',
    '{"amount": 50,}',
    '{"amount": 100} {"amount": 900}',
    '{"amount": 100}{}',
    '{"amount": 100, "amount": 900}',
    '{"a": {"amount": 100, "amount": 900}}',
    '{"amount": NaN}',
    '{"amount": Infinity}',
    '{"amount": 1e999}',
    "{'amount': 100}",
    '{"amount": 100} x',
    '```json\n{"amount": 100}\n```',
    '{"text": "line\nbreak"}',
    '{"text": "\\ud800"}',
    "[1]",
    "null",
    '"{}"',
    " ",
    '{"a": [' + "[]," * 20_000 + "[]]}",
    '{"a": [' + "1," * 400_000 + "1]}",
)


@pytest.mark.promise("model-cannot-steer")
@pytest.mark.parametrize("size", [1_000_000_000, 7])
def test_arguments_are_one_strict_document_or_refused(size: int) -> None:
    def pieces(text: str) -> list[str]:
        return [text[at : at + size] for at in range(0, len(text), size)] if len(text) < 10**5 else [text]

    for text, arguments in GOOD.items():
        message = response_of(called("", name="pay", call_id="c1"), *map(called, pieces(text)))
        [call] = message.tool_calls
        assert (call["name"], call["id"], message.invalid_tool_calls) == ("pay", "c1", []), text[:50]
        assert (call["args"], repr(call["args"])) == (arguments, repr(arguments))
    for text in BAD:
        message = response_of(called("", name="pay", call_id="c1"), *map(called, pieces(text)))
        assert message.tool_calls == [], text[:50]
        assert [call["name"] for call in message.invalid_tool_calls] == ["pay"]


def test_pieces_of_a_call_are_joined_as_services_send_them() -> None:
    message = response_of(
        called("", 0, "c1", "maps_"),
        called('{"a"', 0, None, "weather"),
        called(": 1}", 0, "c1", ""),
        {"tool_calls": [{"index": 0, "id": ""}]},
        called(None),
        None,
        called("{}", 0, "c2", "of_the_same_index"),
        called("{", None, "", ""),  # without an index: by its position
        called("", 7, "c3", "repeated"),
        called("{}", 7, "c3", "repeated"),
        called("", "x", "c4", "other"),
        finish="stop",
    )
    assert [(call["id"], call["name"], call["args"]) for call in message.tool_calls] == [
        ("c1", "maps_weather", {"a": 1}),
        ("c3", "repeated", {}),
        ("c4", "other", {}),
    ]
    assert [call["id"] for call in message.invalid_tool_calls] == ["c2"]


@pytest.mark.promise("model-cannot-steer")
def test_whole_and_streamed_responses_are_judged_alike() -> None:
    for finish in ("stop", "tool_calls", "length", "content_filter", "", "eos", None, 7):
        outcomes = []
        for name in ("delta", "message"):
            response = ModelResponse(Secret("sk-canary"))
            content = {"content": "x", **called('{"amount": 50}', name="pay", call_id="c1")}
            try:
                response.add({"choices": [{"index": 0, name: content, "finish_reason": finish}]})
                response.rest()
                message = response.message("m1")
                outcomes.append((message.text, message.tool_calls))
            except (ServiceError, TypeError) as error:
                outcomes.append(type(error))
        assert outcomes[0] == outcomes[1]
        if finish in ("stop", "tool_calls"):
            assert [call["args"] for call in outcomes[0][1]] == [{"amount": 50}]
        elif finish in ("length", "content_filter"):
            assert outcomes[0] == ("x", [])
        else:
            assert outcomes[0] is (TypeError if finish == 7 else ServiceError)


def test_response_with_two_different_ends_is_refused() -> None:
    response = ModelResponse(Secret("sk-canary"))
    response.add({"choices": [{"delta": {"content": "x"}, "finish_reason": "length"}]})
    response.add({"choices": [{"delta": {}, "finish_reason": "length"}]})
    with pytest.raises(ValueError, match="two finish reasons"):
        response.add({"choices": [{"delta": {}, "finish_reason": "stop"}]})


def test_response_without_an_end_is_a_failure_of_the_model() -> None:
    response = ModelResponse(Secret("sk-canary"))
    with pytest.raises(ServiceError, match="model_call_failed") as caught:
        response.message("m1")
    assert caught.value.detail is not None
    assert "ended without a finish reason" in caught.value.detail


FORMS: dict[str, Callable[[str], Delta]] = {
    "text": lambda text: {"content": text},
    "thinking": lambda text: {"content": None, "reasoning_content": text},
    "arguments": called,
    "text and thinking": lambda text: {"content": text, "reasoning_content": text},
}


@pytest.mark.promise("bounded")
@pytest.mark.parametrize("length", [2, 30, 60_000])
@pytest.mark.parametrize("form", FORMS)
def test_at_most_two_bytes_are_kept_for_a_byte_received(form: str, length: int) -> None:
    delta = FORMS[form]("ä" * length)
    event = json.dumps({"choices": [{"delta": delta}]}, ensure_ascii=False, separators=(",", ":")).encode()
    response, received = ModelResponse(Secret("sk-canary")), 0
    tracemalloc.start()
    try:
        before, _ = tracemalloc.get_traced_memory()
        with suppress(ResponseTooLargeError):
            for _ in range(3_000):
                response.add(json.loads(event))
                received += len(event)
        after, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert received < 5_000_000
    assert after - before < 2 * received
    assert peak - before < 2 * received + 1_000_000


@pytest.mark.parametrize(
    "usage",
    [
        {"prompt_tokens": 20, "completion_tokens": 120, "total_tokens": 140},
        {"prompt_tokens": 20, "completion_tokens": None},
        {"total_tokens": 0, "prompt_tokens_details": None},
        {
            "prompt_tokens": 20,
            "completion_tokens": 9,
            "prompt_tokens_details": {
                "cached_tokens": 0,
                "audio_tokens": 1,
                "cache_write_tokens": 7,
                "text_tokens": 3,
            },
            "completion_tokens_details": {"reasoning_tokens": 80, "audio_tokens": None},
        },
    ],
)
def test_usage_is_counted_as_langchain_counts_it(usage: dict[str, Any]) -> None:
    response = ModelResponse(Secret("sk-canary"))
    response.add({"choices": [{"index": 0, "delta": {}, "finish_reason": "stop"}], "usage": usage})
    response.rest()
    assert response.message("m1").usage_metadata == _create_usage_metadata(usage)


def noted(*parts: dict[str, Any]) -> int:
    """The characters that are noted of a response."""
    so_far = Arrived()
    before = ARRIVED.set(so_far)
    response = ModelResponse(Secret("sk-canary"))
    for part in parts:
        response.add(part)
    ARRIVED.reset(before)
    return so_far.characters


@pytest.mark.promise("bounded")
@pytest.mark.parametrize("streamed", [False, True])
def test_arguments_of_calls_beyond_the_most_are_noted(streamed: bool) -> None:
    arguments = json.dumps({"to": "b" * 400})
    numbers = range(MAX_CALLS + (1 if streamed else 10))
    calls = [called(arguments, number, f"call_{number}", "pay")["tool_calls"][0] for number in numbers]
    if streamed:
        parts = [{"choices": [{"delta": {"tool_calls": [call]}}]} for call in calls]
    else:
        parts = [{"choices": [{"message": {"tool_calls": calls}, "finish_reason": "tool_calls"}]}]
    assert noted(*parts) >= len(calls) * len(arguments)
