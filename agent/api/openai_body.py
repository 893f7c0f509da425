"""Parts that the bodies of OpenAI's routes share: parameters, their types, and how a body is read.

A route has three groups of parameters. Honoured: they have OpenAI's meaning. Ignored: they tune the model or
concern OpenAI's accounting, and many clients always send them. Refused unless neutral: they would change the
form or the meaning of the answer. A parameter that is null counts as absent.
"""

from collections.abc import Mapping
from itertools import islice
from typing import Annotated, Any, Final, Literal, TypeAlias, TypeVar

from pydantic import BeforeValidator, Field

from agent.api.validation_fault import Body, json_object, validated
from agent.errors.error_response import RequestError
from graph.answer_form import AnswerForm

B = TypeVar("B", bound=Body)

INT64: Final = 2**63
NOT_KEPT: Final = "this agent stores no conversations"
_PAIRS: Final = 16


def _few(pairs: object) -> object:
    """At most one pair more than is allowed, which is enough to report that there are too many."""
    return dict(islice(pairs.items(), _PAIRS + 1)) if isinstance(pairs, dict) else pairs


JsonObject: TypeAlias = dict[str, Any]
Tokens: TypeAlias = Annotated[int, Field(ge=1, lt=INT64)]
FormName: TypeAlias = Annotated[str, Field(pattern=r"^[A-Za-z0-9_-]{1,64}$")]
Effort: TypeAlias = Literal["none", "minimal", "low", "medium", "high", "xhigh", "max"]
Verbosity: TypeAlias = Literal["low", "medium", "high"]
Metadata: TypeAlias = Annotated[
    dict[Annotated[str, Field(max_length=64)], Annotated[str, Field(max_length=512)]],
    Field(max_length=_PAIRS),
    BeforeValidator(_few),
]


class StreamOptions(Body):
    """OpenAI's `stream_options`. `include_obfuscation` has no effect: nothing is padded."""

    include_obfuscation: bool | None = None


class CommonlyIgnored(Body):
    """Parameters without effect on every route."""

    parallel_tool_calls: bool | None = None
    prompt_cache_key: str | None = None
    prompt_cache_retention: Literal["in_memory", "in-memory", "24h"] | None = None
    safety_identifier: Annotated[str, Field(max_length=128)] | None = None
    service_tier: Literal["auto", "default", "flex", "scale", "priority", "fast"] | None = None
    temperature: Annotated[float, Field(ge=0, le=2, allow_inf_nan=False)] | None = None
    top_p: Annotated[float, Field(ge=0, le=1, allow_inf_nan=False)] | None = None
    user: str | None = None


def read_body(
    body: bytes,
    model: type[B],
    refused: type[Body],
    *,
    neutral: Mapping[str, tuple[Any, ...]],
    why: Mapping[str, str],
) -> B:
    """The validated body. Raises `RequestError` with the first parameter that does not exist, is invalid, or
    is one of `refused` with a value that is not `neutral`; `why` has the texts of some of these.
    """
    members = json_object(body)
    for name in members:
        if name not in model.model_fields:
            raise RequestError(name[:64], "there is no such parameter", code="unknown_parameter")
    wire = validated(model, members)
    for name in refused.model_fields:
        value = getattr(wire, name)
        if value is not None and not _is_one_of(value, neutral.get(name, ())):
            problem = why.get(name, "this value is not supported")
            raise RequestError(name, problem, code="unsupported_value")
    if members.get("stream_options") is not None and not members.get("stream"):
        raise RequestError("stream_options", 'only allowed when "stream" is true')
    return wire


def _is_one_of(value: object, neutral: tuple[Any, ...]) -> bool:
    """As JSON compares: `false` is not `0`."""
    return any(type(value) is type(other) and value == other for other in neutral)


def form_of_schema(schema: JsonObject | None, param: str) -> AnswerForm:
    """The form that a schema asks for. Raises `RequestError` about `param`, without any of the schema."""
    try:
        return AnswerForm(schema)
    except ValueError as error:
        raise RequestError(param, str(error), code="invalid_value") from None


def form_not_taken(param: str) -> RequestError:
    """The refusal of a form by an agent whose graph takes none."""
    problem = "the graph of this agent is an application's own, which takes no form of the answer"
    return RequestError(param, problem, code="unsupported_value")
