"""The parameters of OpenAI's chat completions, with the types, ranges and values that OpenAI allows, in the
groups of `agent.api.openai_body`. `docs/openai-api.md` lists them.
"""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Annotated, Any, Final, Literal

from pydantic import BeforeValidator, ConfigDict, Discriminator, Field, Tag

from agent.api import openai_body
from agent.api.messages import Content, WireMessage
from agent.api.openai_body import (
    INT64,
    CommonlyIgnored,
    Effort,
    FormName,
    JsonObject,
    Metadata,
    Tokens,
    Verbosity,
)
from agent.api.validation_fault import Body

_Penalty = Annotated[float, Field(ge=-2, le=2, allow_inf_nan=False)]
_MOST_BIAS: Final = 100


def _first_invalid(biases: object) -> object:
    """Only the first invalid one, if there is any, because each error of pydantic costs time."""
    if not isinstance(biases, dict):
        return biases
    invalid = (
        {token: bias}
        for token, bias in biases.items()
        if type(bias) is not int or not -_MOST_BIAS <= bias <= _MOST_BIAS
    )
    return next(invalid, biases)


_Bias = Annotated[
    dict[str, Annotated[int, Field(ge=-_MOST_BIAS, le=_MOST_BIAS)]], BeforeValidator(_first_invalid)
]


def _kind(value: object) -> str:
    if isinstance(value, list):
        return "list"
    return "dict" if isinstance(value, dict) else "str"


_KIND: Final = Discriminator(_kind)
_Stop = Annotated[Annotated[str, Tag("str")] | Annotated[list[str], Field(max_length=4), Tag("list")], _KIND]
_FunctionCall = Annotated[
    Annotated[Literal["none", "auto"], Tag("str")] | Annotated[JsonObject, Tag("dict")], _KIND
]
_ToolChoice = Annotated[
    Annotated[Literal["none", "auto", "required"], Tag("str")] | Annotated[JsonObject, Tag("dict")], _KIND
]


_Tools = Annotated[list[JsonObject], Field(max_length=128)]


class StreamOptions(openai_body.StreamOptions):
    """Options for streams of chat completions."""

    include_usage: bool | None = None


class _Prediction(Body):
    type: Literal["content"]
    content: Content


class _CacheOptions(Body):
    mode: Literal["implicit", "explicit"] | None = None
    ttl: Literal["30m"] | None = None


class _JsonSchema(Body):
    name: FormName
    description: str | None = None
    schema_: JsonObject | None = Field(default=None, alias="schema")
    strict: bool | None = None


def _with_schema(schema: dict[str, Any]) -> None:
    has_schema = {"properties": {"json_schema": {"type": "object"}}, "required": ["json_schema"]}
    schema["if"] = {"properties": {"type": {"const": "json_schema"}}}
    schema["then"] = has_schema


class ResponseFormat(Body):
    """OpenAI's `response_format`. A schema without `strict` binds the answer, too."""

    model_config = ConfigDict(json_schema_extra=_with_schema)

    type: Literal["text", "json_object", "json_schema"]
    json_schema: _JsonSchema | None = None


class Honoured(Body):
    """Parameters with OpenAI's meaning. Any `model` is accepted; the response names the configured one."""

    messages: Annotated[list[WireMessage], Field(fail_fast=True)] = Field(min_length=1)
    model: str | None = None
    stream: bool | None = None
    stream_options: StreamOptions | None = None
    response_format: ResponseFormat | None = None


class Ignored(CommonlyIgnored):
    """Parameters without effect. The last three are Model Studio's. A client's own tools are offered to no
    model: clients such as Open WebUI send theirs with each question, and the agent has its own.
    """

    frequency_penalty: _Penalty | None = None
    function_call: _FunctionCall | None = None
    functions: _Tools | None = None
    logit_bias: _Bias | None = None
    max_completion_tokens: Tokens | None = None
    max_tokens: Tokens | None = None
    metadata: Metadata | None = None
    prediction: _Prediction | None = None
    presence_penalty: _Penalty | None = None
    prompt_cache_options: _CacheOptions | None = None
    reasoning_effort: Effort | None = None
    seed: Annotated[int, Field(ge=-INT64, lt=INT64)] | None = None
    store: bool | None = None
    tool_choice: _ToolChoice | None = None
    tools: _Tools | None = None
    verbosity: Verbosity | None = None
    enable_thinking: bool | None = None
    thinking_budget: Annotated[int, Field(ge=0, lt=INT64)] | None = None
    top_k: Annotated[int, Field(ge=0, lt=INT64)] | None = None


class Refused(Body):
    """Parameters that are refused unless their value is one of `NEUTRAL`."""

    audio: JsonObject | None = None
    logprobs: bool | None = None
    modalities: Annotated[list[Literal["text", "audio"]], Field(fail_fast=True)] | None = None
    moderation: JsonObject | None = None
    n: Annotated[int, Field(ge=1, le=128)] | None = None
    stop: _Stop | None = None
    top_logprobs: Annotated[int, Field(ge=0, le=20)] | None = None
    web_search_options: JsonObject | None = None


NEUTRAL: Final[Mapping[str, tuple[Any, ...]]] = MappingProxyType(
    {"logprobs": (False,), "modalities": (["text"],), "n": (1,), "stop": ([],)}
)
"""The values, as JSON has them, that do not change the completion."""


def _as_it_is_read(schema: dict[str, Any]) -> None:
    """Completes the JSON Schema of the body by what `agent.api.openai.request` refuses besides."""
    members = schema["properties"]
    for name in Refused.model_fields:
        members[name] = {"enum": [*NEUTRAL.get(name, ()), None]}
    metadata = next(kind for kind in members["metadata"]["anyOf"] if kind.get("type") == "object")
    metadata["properties"] = {
        "thread_id": {"type": "string", "pattern": "^[A-Za-z0-9_-]{1,64}$"},
        "on_disconnect": {"type": "string", "pattern": "^(cancel|continue)$"},
    }
    has_options = {"properties": {"stream_options": {"type": "object"}}, "required": ["stream_options"]}
    schema["if"] = has_options
    schema["then"] = {"properties": {"stream": {"const": True}}, "required": ["stream"]}


class ChatBody(Honoured, Ignored, Refused):
    """The whole body."""

    model_config = ConfigDict(title="ChatRequest", json_schema_extra=_as_it_is_read)
