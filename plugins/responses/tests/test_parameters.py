"""Each parameter of OpenAI's: what is honoured, what has no effect, and what is refused by its name."""

import re
from pathlib import Path
from typing import Any, get_type_hints

import pytest
from jsonschema import Draft202012Validator
from openai.types.responses import response_create_params
from pydantic import BaseModel

from plugins.responses.parameters import NEUTRAL, Honoured, Ignored, Refused, ResponseBody
from plugins.responses.tests.test_text import PATH
from tests.agent.api.threads.served_threads import ThreadsOf

PAGE = (Path(__file__).parents[1] / "README.md").read_text(encoding="utf-8")
IGNORED: dict[str, Any] = {
    "include": ["reasoning.encrypted_content"],
    "max_output_tokens": 100,
    "parallel_tool_calls": False,
    "prompt_cache_key": "k",
    "prompt_cache_options": {"mode": "implicit"},
    "prompt_cache_retention": "24h",
    "reasoning": {"effort": "low", "summary": "auto"},
    "safety_identifier": "s",
    "service_tier": "auto",
    "temperature": 0.5,
    "top_p": 0.5,
    "truncation": "auto",
    "user": "u",
}
REFUSED: dict[str, Any] = {
    "access_programs": {"cyber": "standard"},
    "background": True,
    "background_options": {},
    "context_management": [{"type": "compaction"}],
    "image": {},
    "max_tool_calls": 1,
    "moderation": {"model": "m"},
    "prompt": {"id": "p"},
    "tool_choice": "required",
    "tools": [{"type": "web_search"}],
    "top_logprobs": 5,
}
FAULTS: list[tuple[dict[str, Any], str, str]] = [
    ({}, "input", "missing_required_parameter"),
    ({"input": ""}, "input", "empty_string"),
    ({"input": []}, "input", "empty_array"),
    ({"input": 5}, "input", "invalid_type"),
    ({"input": ["x"]}, "input[0]", "invalid_type"),
    ({"input": [{"type": "computer_call_output"}]}, "input[0].type", "unsupported_value"),
    ({"input": [{"role": "user"}]}, "input[0].content", "missing_required_parameter"),
    ({"input": [{"role": "tool", "content": "x"}]}, "input[0].role", "invalid_value"),
    (
        {"input": [{"role": "user", "content": [{"type": "input_file", "file_id": "f"}]}]},
        "input[0].content[0].type",
        "unsupported_value",
    ),
    (
        {"input": [{"role": "user", "content": [{"type": "output_text", "text": "x"}]}]},
        "input[0].content[0].type",
        "unsupported_value",
    ),
    (
        {"input": [{"type": "function_call", "call_id": "c", "name": "n", "arguments": "{}"}]},
        "input[0]",
        "invalid_request",
    ),
    (
        {"input": [{"type": "function_call", "call_id": "c", "name": "n", "arguments": "["}]},
        "input[0].arguments",
        "invalid_request",
    ),
    (
        {"input": [{"type": "function_call_output", "call_id": "c", "output": "x"}]},
        "input[0].call_id",
        "invalid_request",
    ),
    ({"input": "x", "secret": 1}, "secret", "unknown_parameter"),
    ({"input": "x", "stream": "true"}, "stream", "invalid_type"),
    ({"input": "x", "stream_options": {}}, "stream_options", "invalid_request"),
    ({"input": "x", "temperature": 3}, "temperature", "decimal_above_max_value"),
    ({"input": "x", "include": ["message.output_text.logprobs"]}, "include[0]", "invalid_value"),
    ({"input": "x", "conversation": "../t"}, "conversation", "invalid_value"),
    ({"input": "x", "conversation": {"id": 5}}, "conversation.id", "invalid_type"),
    ({"input": "x", "metadata": {"k": "v" * 513}}, "metadata.k", "string_above_max_length"),
    ({"input": "x", "background": 0}, "background", "unsupported_value"),
    ({"input": "x", "text": {"format": {"type": "json_schema", "schema": {}}}}, "text.format.name",
     "missing_required_parameter"),
    ({"input": "x", "text": {"format": {"type": "json_schema", "name": "n"}}}, "text.format.schema",
     "missing_required_parameter"),
    (
        {"input": "x", "text": {"format": {"type": "json_schema", "name": "n", "schema": {"type": 5}}}},
        "text.format.schema",
        "invalid_value",
    ),
]  # fmt: skip


def test_every_parameter_of_the_official_client_has_a_meaning_or_a_refusal() -> None:
    hints = get_type_hints(response_create_params.ResponseCreateParamsNonStreaming)
    assert hints.keys() - ResponseBody.model_fields.keys() == set()
    assert IGNORED.keys() == Ignored.model_fields.keys()
    assert REFUSED.keys() == Refused.model_fields.keys()


@pytest.mark.parametrize(
    ("group", "model"), [("honoured", Honoured), ("no effect", Ignored), ("refused", Refused)]
)
def test_page_lists_each_parameter_in_its_group(group: str, model: type[BaseModel]) -> None:
    [row] = re.findall(rf"^\| {group} \| (.+) \|$", PAGE, re.MULTILINE)
    listed = set(re.findall(r"`(\w+)`", row))
    of_other_groups = ResponseBody.model_fields.keys() - model.model_fields.keys()
    assert listed >= model.model_fields.keys() - {"stream_options"}
    assert listed & of_other_groups <= {"stream_options"}


async def test_parameters_without_effect_are_accepted_and_null_is_absent(threads: ThreadsOf) -> None:
    served = await threads()
    neutral = {name: values[0] for name, values in NEUTRAL.items()}
    assert (await served.ask("POST", PATH, body={"input": "x", **IGNORED, **neutral})).status_code == 200
    absent = dict.fromkeys(ResponseBody.model_fields) | {"input": "x"}
    assert (await served.ask("POST", PATH, body=absent)).status_code == 200


async def test_tool_that_only_names_a_service_has_no_effect_and_any_other_is_refused(
    threads: ThreadsOf,
) -> None:
    served = await threads()
    named = {"type": "mcp", "server_label": "leave"}
    accepted = await served.ask("POST", PATH, body={"input": "x", "tools": [named, named]})
    assert (accepted.status_code, accepted.json()["tools"]) == (200, [])
    for other in (
        named | {"server_url": "http://127.0.0.1:1"},
        named | {"require_approval": "never"},
        named | {"authorization": "secret"},
        named | {"server_label": ""},
        named | {"server_label": "x" * 65},
        named | {"server_label": 5},
        {"type": "mcp"},
        "mcp",
    ):
        refused = await served.ask("POST", PATH, body={"input": "x", "tools": [named, other]})
        error = refused.json()["error"]
        assert (refused.status_code, error["param"], error["code"]) == (400, "tools", "unsupported_value")
    assert len(served.model.asked) == 1


async def test_parameters_that_would_change_the_response_are_refused_by_name(threads: ThreadsOf) -> None:
    served = await threads()
    for name, value in REFUSED.items():
        error = (await served.ask("POST", PATH, body={"input": "x", name: value})).json()["error"]
        assert (error["param"], error["code"]) == (name, "unsupported_value")
    assert served.model.asked == []


@pytest.mark.promise("bounded")
async def test_fault_names_the_member_and_no_value_of_it(threads: ThreadsOf) -> None:
    served = await threads()
    for body, param, code in FAULTS:
        response = await served.ask("POST", PATH, body=body)
        error = response.json()["error"]
        assert (response.status_code, error["param"], error["code"]) == (400, param, code), body
        assert error["type"] == "invalid_request_error"
    few = await threads(MAX_MESSAGES="3")
    for store in (True, False):
        body = {"input": [{"role": "user", "content": "x"}] * 4, "store": store}
        error = (await few.ask("POST", PATH, body=body)).json()["error"]
        assert error["code"] == "array_above_max_length"
    assert served.model.asked == few.model.asked == []


DOCUMENTED: list[dict[str, Any]] = [
    {"input": "x"},
    {"input": [{"role": "user", "content": "x"}]},
    {"input": [{"type": "message", "role": "user", "content": [{"type": "input_text", "text": "x"}]}]},
    {"input": [{"type": "reasoning", "summary": []}, {"role": "user", "content": "x"}]},
    {"input": "x", "conversation": {"id": "t-1"}},
    {"input": "x", "stream": True, "stream_options": {"include_obfuscation": False}},
    {"input": "x", "stream_options": None, "text": {"format": {"type": "text"}}},
    {"input": "x", "text": {"format": {"type": "json_schema", "name": "n", "schema": {}}}},
]
NOT_DOCUMENTED = [
    *({"input": [item]} for item in ({}, {"type": "mcp_call"}, {"type": "function_call", "call_id": "c"})),
    *({"input": [item]} for item in ({"role": "user"}, {"role": "tool", "content": "x"}, {"type": "other"})),
    {"input": "x", "conversation": "../t"},
    {"input": "x", "conversation": {"id": "../t"}},
    {"input": "x", "stream_options": {}},
    {"input": "x", "text": {"format": {"type": "json_schema", "name": "n"}}},
    {"input": "x", "text": {"format": {"type": "json_schema", "schema": {}}}},
]


def test_document_permits_what_is_accepted_and_no_body_whose_form_is_refused() -> None:
    validator = Draft202012Validator(ResponseBody.model_json_schema())
    assert [body for body in DOCUMENTED if not validator.is_valid(body)] == []
    assert [body for body in NOT_DOCUMENTED if validator.is_valid(body)] == []
