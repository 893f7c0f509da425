"""Every parameter of OpenAI's chat completions is validated as OpenAI does, and documented."""

import json
import re
from pathlib import Path
from typing import Any

import httpx
import pytest
from openai.types.chat import completion_create_params

from agent.api.openai.parameters import NEUTRAL, ChatBody, Honoured, Ignored, Refused
from agent.api.openai.request import ChatRequest, read_chat_request
from agent.errors.error_response import RequestError
from tests.agent.conftest import AgentServer
from tests.responsive import responsive

DOCUMENT = (Path(__file__).parents[3] / "docs" / "openai-api.md").read_text(encoding="utf-8")
ASK = {"role": "user", "content": "hello"}
CHAT = "/openai/v1/chat/completions"
SCHEMA = "response_format.json_schema"
DEEP: dict[str, Any] = {"type": "object"}
for _ in range(40):
    DEEP = {"type": "object", "properties": {"more": DEEP}}


def schema(given: dict[str, Any]) -> dict[str, Any]:
    return {"type": "json_schema", "json_schema": {"name": "answer", "strict": True, "schema": given}}


def read(**body: Any) -> ChatRequest:
    return read_chat_request(json.dumps({"messages": [ASK], **body}).encode(), max_messages=10)


def refused(**body: Any) -> RequestError:
    with pytest.raises(RequestError) as caught:
        read(**body)
    assert caught.value.status == 400
    return caught.value


GOOD: list[dict[str, Any]] = [
    {"temperature": 0}, {"temperature": 2}, {"temperature": 1.5}, {"top_p": 0}, {"top_p": 1},
    {"presence_penalty": -2}, {"presence_penalty": 2.0}, {"frequency_penalty": -2}, {"frequency_penalty": 2},
    {"max_tokens": 1}, {"max_completion_tokens": 100_000}, {"n": 1}, {"seed": -(2**63)}, {"seed": 2**63 - 1},
    {"logit_bias": {}}, {"logit_bias": {"50256": -100, "1": 100}}, {"user": "alice"}, {"store": True},
    {"metadata": {f"{number:064}": "v" * 512 for number in range(16)}}, {"safety_identifier": "s" * 128},
    {"prompt_cache_key": "key"}, {"prompt_cache_options": {"mode": "explicit", "ttl": "30m"}},
    {"prediction": {"type": "content", "content": "text"}}, {"parallel_tool_calls": False},
    {"prediction": {"type": "content", "content": [{"type": "text", "text": "text"}]}},
    {"stream": True, "stream_options": {"include_usage": True, "include_obfuscation": False}},
    {"stream": True, "stream_options": {}}, {"stream_options": None}, {"stop": []}, {"tools": []},
    {"tool_choice": "auto"}, {"tool_choice": "none"}, {"functions": []}, {"function_call": "none"},
    {"tools": [{"type": "function", "function": {"name": "f"}}]}, {"tool_choice": "required"},
    {"tool_choice": {"type": "function", "function": {"name": "f"}}}, {"functions": [{"name": "f"}]},
    {"function_call": {"name": "f"}},
    {"logprobs": False}, {"modalities": ["text"]}, {"response_format": {"type": "text"}}, {"model": "any"},
    {"response_format": {"type": "json_object"}}, {"response_format": schema({"type": "object"})},
    {"enable_thinking": True}, {"thinking_budget": 0}, {"top_k": 20},
    *({"reasoning_effort": each} for each in ("none", "minimal", "low", "medium", "high", "xhigh", "max")),
    *({"service_tier": each} for each in ("auto", "default", "flex", "scale", "priority", "fast")),
    *({"verbosity": each} for each in ("low", "medium", "high")),
    *({"prompt_cache_retention": each} for each in ("in_memory", "in-memory", "24h")),
]  # fmt: skip


@pytest.mark.parametrize("body", GOOD, ids=str)
def test_parameters_without_effect_are_accepted(body: dict[str, Any]) -> None:
    read(**body)


BAD: list[tuple[dict[str, Any], str, str]] = [
    ({"max_tokens": -1}, "max_tokens", "integer_below_min_value"),
    ({"max_tokens": 0}, "max_tokens", "integer_below_min_value"),
    ({"max_tokens": "many"}, "max_tokens", "invalid_type"),
    ({"max_tokens": "10"}, "max_tokens", "invalid_type"),
    ({"max_tokens": 10.0}, "max_tokens", "invalid_type"),
    ({"max_tokens": 1.5}, "max_tokens", "invalid_type"),
    ({"max_tokens": True}, "max_tokens", "invalid_type"),
    ({"max_tokens": 10**30}, "max_tokens", "integer_above_max_value"),
    ({"max_completion_tokens": 0}, "max_completion_tokens", "integer_below_min_value"),
    ({"temperature": -0.1}, "temperature", "decimal_below_min_value"),
    ({"temperature": 2.1}, "temperature", "decimal_above_max_value"),
    ({"temperature": "hot"}, "temperature", "invalid_type"),
    ({"temperature": True}, "temperature", "invalid_type"),
    ({"top_p": 1.01}, "top_p", "decimal_above_max_value"),
    ({"top_p": -1}, "top_p", "decimal_below_min_value"),
    ({"presence_penalty": 2.5}, "presence_penalty", "decimal_above_max_value"),
    ({"frequency_penalty": -2.5}, "frequency_penalty", "decimal_below_min_value"),
    ({"n": 0}, "n", "integer_below_min_value"),
    ({"n": 129}, "n", "integer_above_max_value"),
    ({"n": 2}, "n", "unsupported_value"),
    ({"stop": 1}, "stop", "invalid_type"),
    ({"stop": ["a", 1]}, "stop[1]", "invalid_type"),
    ({"stop": ["a", "b", "c", "d", "e"]}, "stop", "array_above_max_length"),
    ({"stop": "."}, "stop", "unsupported_value"),
    ({"stop": ["."]}, "stop", "unsupported_value"),
    ({"logit_bias": []}, "logit_bias", "invalid_type"),
    ({"logit_bias": {"1": 0, "50256": 101}}, "logit_bias.50256", "integer_above_max_value"),
    ({"logit_bias": {"50256": -101}}, "logit_bias.50256", "integer_below_min_value"),
    ({"logit_bias": {"50256": "x"}}, "logit_bias.50256", "invalid_type"),
    ({"seed": 1.5}, "seed", "invalid_type"),
    ({"seed": 2**63}, "seed", "integer_above_max_value"),
    ({"user": 7}, "user", "invalid_type"),
    ({"metadata": "x"}, "metadata", "invalid_type"),
    ({"metadata": {"user": 1}}, "metadata.user", "invalid_type"),
    ({"metadata": {str(number): "" for number in range(17)}}, "metadata", "object_above_max_properties"),
    ({"metadata": {"k" * 65: ""}}, f"metadata.{'k' * 64}", "string_above_max_length"),
    ({"metadata": {"k": "v" * 513}}, "metadata.k", "string_above_max_length"),
    ({"reasoning_effort": "extreme"}, "reasoning_effort", "invalid_value"),
    ({"reasoning_effort": 1}, "reasoning_effort", "invalid_value"),
    ({"service_tier": "gold"}, "service_tier", "invalid_value"),
    ({"verbosity": "loud"}, "verbosity", "invalid_value"),
    ({"store": "yes"}, "store", "invalid_type"),
    ({"parallel_tool_calls": 1}, "parallel_tool_calls", "invalid_type"),
    ({"safety_identifier": "s" * 129}, "safety_identifier", "string_above_max_length"),
    ({"prompt_cache_key": {}}, "prompt_cache_key", "invalid_type"),
    ({"prompt_cache_retention": "1h"}, "prompt_cache_retention", "invalid_value"),
    ({"prompt_cache_options": {"ttl": "1h"}}, "prompt_cache_options.ttl", "invalid_value"),
    ({"prompt_cache_options": {"x": 1}}, "prompt_cache_options.x", "unknown_parameter"),
    ({"prediction": {"type": "guess", "content": ""}}, "prediction.type", "invalid_value"),
    ({"prediction": {"type": "content"}}, "prediction.content", "missing_required_parameter"),
    ({"stream": "true"}, "stream", "invalid_type"),
    ({"stream": 1}, "stream", "invalid_type"),
    ({"stream_options": {"include_usage": True}}, "stream_options", "invalid_request"),
    ({"stream": False, "stream_options": {}}, "stream_options", "invalid_request"),
    ({"stream": True, "stream_options": {"include_usage": "x"}}, "stream_options.include_usage",
     "invalid_type"),
    ({"stream": True, "stream_options": {"x": 1}}, "stream_options.x", "unknown_parameter"),
    ({"stream": True, "stream_options": []}, "stream_options", "invalid_type"),
    ({"model": 4}, "model", "invalid_type"),
    ({"logprobs": "x"}, "logprobs", "invalid_type"),
    ({"logprobs": True}, "logprobs", "unsupported_value"),
    ({"top_logprobs": 21}, "top_logprobs", "integer_above_max_value"),
    ({"top_logprobs": 5}, "top_logprobs", "unsupported_value"),
    ({"modalities": ["smell"]}, "modalities[0]", "invalid_value"),
    ({"modalities": ["text", "audio"]}, "modalities", "unsupported_value"),
    ({"audio": {"voice": "alloy", "format": "mp3"}}, "audio", "unsupported_value"),
    ({"moderation": {"model": "m"}}, "moderation", "unsupported_value"),
    ({"web_search_options": {}}, "web_search_options", "unsupported_value"),
    ({"web_search_options": "yes"}, "web_search_options", "invalid_type"),
    ({"response_format": {"type": "xml"}}, "response_format.type", "invalid_value"),
    ({"response_format": {"type": "json_schema"}}, SCHEMA, "missing_required_parameter"),
    ({"response_format": schema({"type": "array"})}, f"{SCHEMA}.schema", "invalid_value"),
    ({"response_format": schema({"properties": 3})}, f"{SCHEMA}.schema", "invalid_value"),
    ({"response_format": schema({"description": "x" * 40_000})}, f"{SCHEMA}.schema", "invalid_value"),
    ({"response_format": schema(DEEP)}, f"{SCHEMA}.schema", "invalid_value"),
    ({"response_format": "text"}, "response_format", "invalid_type"),
    ({"tools": "all"}, "tools", "invalid_type"),
    ({"tools": [{}] * 129}, "tools", "array_above_max_length"),
    ({"tool_choice": "perhaps"}, "tool_choice", "invalid_value"),
    ({"functions": {}}, "functions", "invalid_type"),
    ({"enable_thinking": "x"}, "enable_thinking", "invalid_type"),
    ({"thinking_budget": -1}, "thinking_budget", "integer_below_min_value"),
    ({"top_k": 1.5}, "top_k", "invalid_type"),
    ({"configurable": {"thread_id": "1"}}, "configurable", "unknown_parameter"),
    ({"x" * 100: 1}, "x" * 64, "unknown_parameter"),
    ({"messages": None}, "messages", "invalid_type"),
    ({"messages": []}, "messages", "empty_array"),
    ({"messages": [ASK] * 11}, "messages", "array_above_max_length"),
    ({"messages": ["hello"]}, "messages[0]", "invalid_type"),
    ({"messages": [{"content": "x"}]}, "messages[0].role", "missing_required_parameter"),
    ({"messages": [{"role": "function", "content": "x"}]}, "messages[0].role", "invalid_value"),
    ({"messages": [{"role": "user"}]}, "messages[0].content", "missing_required_parameter"),
    ({"messages": [{"role": "user", "content": 1}]}, "messages[0].content", "invalid_type"),
    ({"messages": [{"role": "user", "content": [{"type": "input_audio"}]}]}, "messages[0].content[0].type",
     "invalid_value"),
    ({"messages": [{"role": "user", "content": [{"type": "text"}]}]}, "messages[0].content[0].text",
     "missing_required_parameter"),
    ({"messages": [{"role": "tool", "content": "x", "tool_call_id": ""}]}, "messages[0].tool_call_id",
     "empty_string"),
]  # fmt: skip


@pytest.mark.parametrize(("body", "param", "code"), BAD, ids=lambda value: str(value)[:40])
def test_invalid_parameter_is_refused_with_its_member_and_code(
    body: dict[str, Any], param: str, code: str
) -> None:
    error = refused(**body)
    assert (error.param, error.code) == (param, code)


def test_messages_must_be_given() -> None:
    with pytest.raises(RequestError) as caught:
        read_chat_request(b"{}", max_messages=10)
    assert (caught.value.param, caught.value.code) == ("messages", "missing_required_parameter")


@pytest.mark.parametrize("name", sorted(ChatBody.model_fields.keys() - {"messages"}))
def test_null_counts_as_absent(name: str) -> None:
    read(**{name: None})


def test_fault_repeats_no_text_of_the_client() -> None:
    for body in (
        {"temperature": "private words"},
        {"verbosity": "private words"},
        {"stop": {"a": "private words"}},
    ):
        assert "private" not in refused(**body).message


def test_every_parameter_of_the_official_client_is_known() -> None:
    theirs = completion_create_params.CompletionCreateParamsStreaming.__annotations__.keys()
    assert theirs - ChatBody.model_fields.keys() == set()


MANY: dict[str, bytes] = {
    name: b'{"messages": [{"role": "user", "content": "x"}], ' + member + b"}"
    for name, member in {
        "modalities": b'"modalities": [' + b"1," * 500_000 + b"1]",
        "stop": b'"stop": [' + b"1," * 500_000 + b"1]",
        "tools": b'"tools": [' + b"1," * 500_000 + b"1]",
        "digits": b'"seed": ' + b"1" * 1_000_000,
        "biases": b'"logit_bias": {' + b",".join(b'"%d":""' % each for each in range(90_000)) + b"}",
        "pairs": b'"metadata": {' + b",".join(b'"%d":1' % each for each in range(90_000)) + b"}",
        "unknown": b",".join(b'"%d":1' % each for each in range(90_000)),
    }.items()
} | {
    "messages": b'{"messages": [' + b"1," * 500_000 + b"1]}",
    "parts": b'{"messages": [{"role": "user", "content": [' + b"1," * 500_000 + b"1]}]}",
    "calls": b'{"messages": [{"role": "assistant", "tool_calls": [' + b"1," * 500_000 + b"1]}]}",
}


@pytest.mark.promise("bounded")
@pytest.mark.parametrize("body", MANY.values(), ids=MANY)
async def test_large_body_with_many_faults_is_refused_at_the_first(body: bytes) -> None:
    async with responsive():
        with pytest.raises(RequestError):
            read_chat_request(body, max_messages=10)


# --- the document ------------------------------------------------------------------------------


def rows(heading: str) -> dict[str, str]:
    """The table below a heading of the document: parameter → its text."""
    part = DOCUMENT.partition(f"\n## {heading}\n")[2].partition("\n## ")[0]
    return dict(re.findall(r"^\| `(\w+)` \| (.*?) ?\|$", part, re.MULTILINE))


def test_document_lists_each_parameter_in_its_group() -> None:
    assert rows("Honoured").keys() == Honoured.model_fields.keys()
    assert rows("Accepted and ignored").keys() == Ignored.model_fields.keys()
    assert list(rows("Refused, except for a value without effect")) == list(Refused.model_fields)


def test_document_lists_each_neutral_value() -> None:
    for name, text in rows("Refused, except for a value without effect").items():
        assert [json.loads(value) for value in re.findall(r"`(.+?)`", text)] == list(NEUTRAL.get(name, ()))


def test_document_lists_each_defined_value() -> None:
    for name, text in rows("Accepted and ignored").items():
        schema = json.dumps(ChatBody.model_json_schema()["properties"][name])
        for value in re.findall(r'"enum": \[(.*?)\]', schema):
            assert re.findall(r"`(.+?)`", text) == json.loads(f"[{value}]"), name


def test_document_lists_each_code() -> None:
    named = set(re.findall(r"`(\w+)`", DOCUMENT.partition("| code |")[2].partition("\n## ")[0]))
    seen = {code for _, _, code in BAD}
    assert named == seen


async def test_response_matches_the_documented_example(agent_server: AgentServer) -> None:
    example = json.loads(DOCUMENT.partition("```json\n")[2].partition("```")[0])["error"]
    async with agent_server.client() as http:
        response = await http.post(CHAT, json={"messages": [ASK], "temperature": 3})
    assert response.status_code == httpx.codes.BAD_REQUEST
    assert response.json()["error"].items() >= example.items()


async def test_ignored_parameters_have_no_effect(agent_server: AgentServer) -> None:
    ignored = {name: value for body in GOOD for name, value in body.items() if name in Ignored.model_fields}
    async with agent_server.client() as http:
        plain = (await http.post(CHAT, json={"messages": [ASK]})).json()
        tuned = (await http.post(CHAT, json={"messages": [ASK], **ignored})).json()
    assert ignored.keys() == Ignored.model_fields.keys()
    assert tuned["choices"] == plain["choices"]
    assert tuned["usage"] == plain["usage"]
