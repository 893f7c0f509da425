"""The parameters of OpenAI's `POST /responses`, with the types, ranges and values that OpenAI allows.

Their groups are those of `agent.api.openai_body`. The page of this plug-in lists them.
"""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Annotated, Any, Final, Literal

from pydantic import BeforeValidator, ConfigDict, Field

from agent.api.openai_body import (
    CommonlyIgnored,
    Effort,
    FormName,
    JsonObject,
    Metadata,
    StreamOptions,
    Tokens,
    Verbosity,
)
from agent.api.validation_fault import Body
from plugins.responses.items import documented_items

_LABEL: Final = 64
"""Characters of the name of a service, at most."""


def _with_its_schema(schema: dict[str, Any]) -> None:
    schema["if"] = {"properties": {"type": {"const": "json_schema"}}}
    given = {"name": {"type": "string"}, "schema": {"type": "object"}}
    schema["then"] = {"properties": given, "required": list(given)}


class TextFormat(Body):
    """The form of the answer. A schema without `strict` binds it, too."""

    model_config = ConfigDict(json_schema_extra=_with_its_schema)

    type: Literal["text", "json_object", "json_schema"]
    name: FormName | None = None
    description: str | None = None
    schema_: JsonObject | None = Field(default=None, alias="schema")
    strict: bool | None = None


class Text(Body):
    """OpenAI's `text`. `verbosity` has no effect."""

    format: TextFormat | None = None
    verbosity: Verbosity | None = None


class _Reasoning(Body):
    effort: Effort | None = None
    summary: Literal["auto", "concise", "detailed"] | None = None
    generate_summary: Literal["auto", "concise", "detailed"] | None = None


class _CacheOptions(Body):
    mode: Literal["implicit", "explicit"] | None = None
    ttl: Literal["30m", "12h"] | None = None


class Conversation(Body):
    """A conversation by its id."""

    id: str


class Honoured(Body):
    """Parameters with OpenAI's meaning. Any `model` is accepted; the response names the configured one."""

    input: Any
    """A text, or a list of items (`plugins.responses.items`)."""
    conversation: Any = None
    """The id of a conversation, or a `Conversation`."""
    instructions: str | None = None
    metadata: Metadata | None = None
    model: str | None = None
    previous_response_id: str | None = None
    store: bool | None = None
    stream: bool | None = None
    stream_options: StreamOptions | None = None
    text: Text | None = None


class Ignored(CommonlyIgnored):
    """Parameters without effect. There is no encrypted reasoning to include."""

    include: Annotated[list[Literal["reasoning.encrypted_content"]], Field(fail_fast=True)] | None = None
    max_output_tokens: Tokens | None = None
    prompt_cache_options: _CacheOptions | None = None
    reasoning: _Reasoning | None = None
    truncation: Literal["auto", "disabled"] | None = None


def _without_services(tools: object) -> object:
    """Without the tools that only name a service: the agent has its services itself."""
    if not isinstance(tools, list):
        return tools
    return [tool for tool in tools if not _names_service(tool)]


def _names_service(tool: object) -> bool:
    if not isinstance(tool, dict) or tool.keys() != {"type", "server_label"}:
        return False
    label = tool["server_label"]
    return tool["type"] == "mcp" and isinstance(label, str) and 0 < len(label) <= _LABEL


class Refused(Body):
    """Parameters that are refused unless their value is one of `NEUTRAL`.

    Of `tools`, those of the form `{"type": "mcp", "server_label": "leave"}` have no effect: OpenAI's Agents
    SDK shows the approvals of services that it was told, and of no other.
    """

    access_programs: Any = None
    background: Any = None
    background_options: Any = None
    context_management: Any = None
    image: Any = None
    max_tool_calls: Any = None
    moderation: Any = None
    prompt: Any = None
    tool_choice: Any = None
    tools: Annotated[Any, BeforeValidator(_without_services)] = None
    top_logprobs: Any = None


NEUTRAL: Final[Mapping[str, tuple[Any, ...]]] = MappingProxyType(
    {
        "background": (False,),
        "context_management": ([],),
        "tool_choice": ("auto",),
        "tools": ([],),
        "top_logprobs": (0,),
    }
)
"""The values, as JSON has them, that do not change the response."""


def _as_it_is_read(schema: dict[str, Any]) -> None:
    """Completes the JSON Schema of the body by what `plugins.responses.request` refuses besides."""
    members = schema["properties"]
    for name in Refused.model_fields:
        members[name] = {"enum": [*NEUTRAL.get(name, ()), None]}
    members["input"] = {
        "anyOf": [
            {"type": "string", "minLength": 1},
            {"type": "array", "minItems": 1, "items": {"anyOf": documented_items()}},
        ]
    }
    label = {"type": "string", "minLength": 1, "maxLength": _LABEL}
    service = {
        "type": "object",
        "properties": {"type": {"const": "mcp"}, "server_label": label},
        "required": ["type", "server_label"],
        "additionalProperties": False,
    }
    members["tools"] = {"anyOf": [{"type": "array", "items": service}, {"type": "null"}]}
    thread_id = {"type": "string", "pattern": "^[A-Za-z0-9_-]{1,64}$"}
    named = {"type": "object", "properties": {"id": thread_id}, "required": ["id"]}
    members["conversation"] = {"anyOf": [thread_id, named, {"type": "null"}]}
    has_options = {"properties": {"stream_options": {"type": "object"}}, "required": ["stream_options"]}
    schema["if"] = has_options
    schema["then"] = {"properties": {"stream": {"const": True}}, "required": ["stream"]}


class ResponseBody(Honoured, Ignored, Refused):
    """The whole body."""

    model_config = ConfigDict(title="ResponseRequest", json_schema_extra=_as_it_is_read)
