"""The parameters of OpenAI's `POST /responses`, with the types, ranges and values that OpenAI allows.

There are three groups: honoured; ignored, because they tune the model or concern OpenAI's accounting; and
refused unless neutral, because they would change the response. A parameter that is null counts as absent. The
page of this plug-in lists them.
"""

from collections.abc import Mapping
from itertools import islice
from types import MappingProxyType
from typing import Annotated, Any, Final, Literal

from pydantic import BeforeValidator, ConfigDict, Field

from agent.api.validation_fault import Body

_INT64: Final = 2**63
_PAIRS: Final = 16
_Object = dict[str, Any]
_Tokens = Annotated[int, Field(ge=1, lt=_INT64)]


def _few(pairs: object) -> object:
    """At most one pair more than is allowed, which is enough to report that there are too many."""
    return dict(islice(pairs.items(), _PAIRS + 1)) if isinstance(pairs, dict) else pairs


_Metadata = Annotated[
    dict[Annotated[str, Field(max_length=64)], Annotated[str, Field(max_length=512)]],
    Field(max_length=_PAIRS),
    BeforeValidator(_few),
]


class TextFormat(Body):
    """The form of the answer. A schema without `strict` binds it, too."""

    type: Literal["text", "json_object", "json_schema"]
    name: Annotated[str, Field(pattern=r"^[A-Za-z0-9_-]{1,64}$")] | None = None
    description: str | None = None
    schema_: _Object | None = Field(default=None, alias="schema")
    strict: bool | None = None


class Text(Body):
    """OpenAI's `text`. `verbosity` has no effect."""

    format: TextFormat | None = None
    verbosity: Literal["low", "medium", "high"] | None = None


class StreamOptions(Body):
    """OpenAI's `stream_options`. `include_obfuscation` has no effect: nothing is padded."""

    include_obfuscation: bool | None = None


class _Reasoning(Body):
    effort: Literal["none", "minimal", "low", "medium", "high", "xhigh", "max"] | None = None
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
    metadata: _Metadata | None = None
    model: str | None = None
    previous_response_id: str | None = None
    store: bool | None = None
    stream: bool | None = None
    stream_options: StreamOptions | None = None
    text: Text | None = None


class Ignored(Body):
    """Parameters without effect. There is no encrypted reasoning to include."""

    include: Annotated[list[Literal["reasoning.encrypted_content"]], Field(fail_fast=True)] | None = None
    max_output_tokens: _Tokens | None = None
    parallel_tool_calls: bool | None = None
    prompt_cache_key: str | None = None
    prompt_cache_options: _CacheOptions | None = None
    prompt_cache_retention: Literal["in_memory", "in-memory", "24h"] | None = None
    reasoning: _Reasoning | None = None
    safety_identifier: Annotated[str, Field(max_length=128)] | None = None
    service_tier: Literal["auto", "default", "flex", "scale", "priority", "fast"] | None = None
    temperature: Annotated[float, Field(ge=0, le=2, allow_inf_nan=False)] | None = None
    top_p: Annotated[float, Field(ge=0, le=1, allow_inf_nan=False)] | None = None
    truncation: Literal["auto", "disabled"] | None = None
    user: str | None = None


class Refused(Body):
    """Parameters that are refused unless their value is one of `NEUTRAL`."""

    access_programs: Any = None
    background: Any = None
    background_options: Any = None
    context_management: Any = None
    image: Any = None
    max_tool_calls: Any = None
    moderation: Any = None
    prompt: Any = None
    tool_choice: Any = None
    tools: Any = None
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
            {"type": "array", "minItems": 1, "items": {"type": "object"}},
        ]
    }
    named = {"type": "object", "properties": {"id": {"type": "string"}}, "required": ["id"]}
    members["conversation"] = {"anyOf": [{"type": "string"}, named, {"type": "null"}]}


class ResponseBody(Honoured, Ignored, Refused):
    """The whole body."""

    model_config = ConfigDict(title="ResponseRequest", json_schema_extra=_as_it_is_read)
