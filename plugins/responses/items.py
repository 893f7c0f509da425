"""The input of a request: a text, or items of OpenAI's, each read by its type.

What the agent has no use for (`status`, `annotations`, `logprobs`) is dropped: clients send back what they
have received. A decision about a call has no other member than those that count.
"""

import json
import uuid
from collections.abc import Mapping, Sequence
from typing import Annotated, Any, Final, Literal, TypeAlias

from langchain_core.messages import AIMessage, AnyMessage, HumanMessage, SystemMessage, ToolCall, ToolMessage
from pydantic import BaseModel, ConfigDict, Discriminator, Field, Tag

from agent.api.attachments import Image, content_of, of_data_url
from agent.api.messages import content_kind
from agent.api.validation_fault import Body, validated
from agent.errors.error_response import RequestError
from graph.approvals.answer import MAX_MESSAGE
from graph.call_arguments import parse_arguments

_Id = Annotated[str, Field(max_length=256)]
_CallId = Annotated[str, Field(min_length=1, max_length=256)]
_Name = Annotated[str, Field(min_length=1)]


class _Wire(BaseModel):
    """Nothing is converted; other members are dropped."""

    model_config = ConfigDict(strict=True, extra="ignore")


class Part(_Wire):
    """A part of a content that is a list."""

    type: str
    text: str | None = None
    refusal: str | None = None
    image_url: str | None = None


Content = Annotated[
    Annotated[str, Tag("str")] | Annotated[list[Part], Field(fail_fast=True), Tag("list")],
    Discriminator(content_kind),
]


class Message(_Wire):
    """A message of the user, of the client's application, or an earlier one of the agent."""

    role: Literal["user", "system", "developer", "assistant"]
    content: Content
    id: _Id | None = None

    @property
    def instructs(self) -> bool:
        """Whether the client's application wrote it."""
        return self.role in ("system", "developer")


class FunctionCall(_Wire):
    """A call of another agent's tool, in a history."""

    call_id: _CallId
    name: _Name
    arguments: str
    id: _Id | None = None


class FunctionCallOutput(_Wire):
    """The result of a call."""

    call_id: _CallId
    output: Content


class McpCall(_Wire):
    """An earlier call of the agent's."""

    id: _Id | None = None
    name: _Name
    arguments: str
    output: str | None = None
    error: Any = None


class Shown(_Wire):
    """An earlier item that no model reads: reasoning, a question to the user, a list of tools."""

    id: _Id | None = None


class ApprovalResponse(Body):
    """The user's decision about a call. `reason` is for the model, if they refuse. `arguments`, which OpenAI
    does not have, replace all of the call's.
    """

    type: Literal["mcp_approval_response"]
    id: _Id | None = None
    approval_request_id: _Id
    approve: bool
    reason: Annotated[str, Field(max_length=MAX_MESSAGE)] | None = None
    arguments: dict[str, Any] | None = None


class ItemReference(_Wire):
    """An earlier item by its id."""

    id: _Id


Item: TypeAlias = (
    Message | FunctionCall | FunctionCallOutput | McpCall | Shown | ApprovalResponse | ItemReference
)

_MODELS: Final[dict[str, type[Item]]] = {
    "message": Message,
    "function_call": FunctionCall,
    "function_call_output": FunctionCallOutput,
    "mcp_call": McpCall,
    "reasoning": Shown,
    "mcp_approval_request": Shown,
    "mcp_list_tools": Shown,
    "mcp_approval_response": ApprovalResponse,
    "item_reference": ItemReference,
}
_TEXTS: Final = {
    "user": ("input_text",),
    "system": ("input_text",),
    "developer": ("input_text",),
    "assistant": ("output_text", "refusal", "input_text"),
}


def documented_items() -> list[dict[str, Any]]:
    """The JSON Schema of each kind of item: the members that it must have. What they contain, and which item
    may follow which, is not described.
    """
    return [_documented(kind, model) for kind, model in _MODELS.items()]


def _documented(kind: str, model: type[Item]) -> dict[str, Any]:
    members: dict[str, Any] = {"type": {"const": kind}}
    required = [name for name, member in model.model_fields.items() if member.is_required()]
    if model is Message:  # the kind of an item that names none
        members["role"] = {"enum": list(_TEXTS)}
    elif "type" not in required:
        required.append("type")
    return {"type": "object", "properties": members, "required": required}


def read_items(value: object) -> list[Item]:
    """The items of an input. Raises `RequestError` with the place of the first fault."""
    if isinstance(value, str):
        if not value:
            raise RequestError("input", "expected at least one character, found none", code="empty_string")
        return [Message(role="user", content=value)]
    if not isinstance(value, list):
        raise RequestError("input", "expected a string or an array", code="invalid_type")
    if not value:
        raise RequestError("input", "expected at least one, found none", code="empty_array")
    return [_read(item, f"input[{position}]") for position, item in enumerate(value)]


def _read(item: object, where: str) -> Item:
    if not isinstance(item, dict):
        raise RequestError(where, "expected an object", code="invalid_type")
    kind = item.get("type", "message")
    if not isinstance(kind, str) or kind not in _MODELS:
        problem = f"expected one of {', '.join(_MODELS)}"
        raise RequestError(f"{where}.type", problem, code="unsupported_value")
    try:
        return validated(_MODELS[kind], item)
    except RequestError as fault:
        path = f"{where}.{fault.param}" if fault.param else where
        raise RequestError(path, fault.problem, code=fault.code) from None


def question(message: Message, where: str, most_images: int) -> HumanMessage:
    """A message of the user, with at most `most_images`. Raises `RequestError`."""
    return HumanMessage(_content(message, where, most_images), id=uuid.uuid4().hex)


def instruction(message: Message, where: str) -> SystemMessage:
    """A message of the client's application. Raises `RequestError`."""
    return SystemMessage(_content(message, where, 0))


def history(items: Sequence[Item], most_images: int) -> list[AnyMessage]:
    """A whole conversation for the graph, as the client tells it.

    Raises `RequestError`, also if a call has no result, or a result no call.
    """
    told: list[AnyMessage | list[ToolCall]] = []
    """Calls that follow each other are those of one response."""
    calls: dict[str, ToolCall] = {}
    """Those of the latest response that have no result yet, by their ids."""
    ids: set[str] = set()
    for position, item in enumerate(items):
        where = f"input[{position}]"
        match item:
            case FunctionCall():
                call = _call(item.name, item.arguments, _new_id(item.call_id, ids, f"{where}.call_id"), where)
                response = told[-1] if calls else None
                if isinstance(response, list):
                    response.append(call)
                else:
                    _require_results(calls, where)
                    told.append([call])
                calls[item.call_id] = call
                continue
            case FunctionCallOutput():
                if calls.pop(item.call_id, None) is None:
                    problem = "there is no call of this id before its output"
                    raise RequestError(f"{where}.call_id", problem)
                text = _text_of(item.output, ("input_text",), f"{where}.output")
                told.append(ToolMessage(text, tool_call_id=item.call_id))
                continue
        _require_results(calls, where)
        match item:
            case Message() if item.instructs:
                told.append(instruction(item, where))
            case Message(role="user"):
                told.append(question(item, where, most_images))
            case Message():
                told.append(AIMessage(_content(item, where, 0)))
            case McpCall():
                call_id = _new_id(item.id or uuid.uuid4().hex, ids, f"{where}.id")
                told.append([_call(item.name, item.arguments, call_id, where)])
                result = item.output if item.error is None else json.dumps(item.error)
                told.append(ToolMessage(result or "", tool_call_id=call_id))
    _require_results(calls, f"input[{len(items) - 1}]")
    return [AIMessage("", tool_calls=part) if isinstance(part, list) else part for part in told]


def _new_id(call_id: str, ids: set[str], where: str) -> str:
    """`call_id`, which is one of `ids` from now on. Raises `RequestError` if it is one already."""
    if call_id in ids:
        raise RequestError(where, "another call before has this id")
    ids.add(call_id)
    return call_id


def _require_results(calls: Mapping[str, ToolCall], where: str) -> None:
    if calls:
        raise RequestError(where, f"call {next(iter(calls))!r} must be followed by its function_call_output")


def _call(name: str, arguments: str, call_id: str, where: str) -> ToolCall:
    if (parsed := parse_arguments(arguments or "{}")) is None:
        problem = "must be a JSON object, nested at most 32 levels, with integers of at most 64 bits"
        raise RequestError(f"{where}.arguments", problem)
    return ToolCall(name=name, args=parsed, id=call_id, type="tool_call")


def _content(message: Message, where: str, most_images: int) -> Any:  # noqa: ANN401 - as LangChain's
    if isinstance(message.content, str):
        return message.content
    texts = _TEXTS[message.role]
    place = f"{where}.content"
    parts: list[str | Image] = []
    for number, part in enumerate(message.content):
        if part.type == "input_image" and message.role == "user":
            parts.append(_image(part, f"{place}[{number}]"))
        else:
            parts.append(_text(part, texts, f"{place}[{number}]"))
    return content_of(parts, place, most_images)


def _text_of(content: str | list[Part], types: Sequence[str], where: str) -> str:
    if isinstance(content, str):
        return content
    return "".join(_text(part, types, f"{where}[{number}]") for number, part in enumerate(content))


def _text(part: Part, types: Sequence[str], where: str) -> str:
    if part.type not in types:
        raise RequestError(f"{where}.type", f"expected {' or '.join(types)}", code="unsupported_value")
    member = "refusal" if part.type == "refusal" else "text"
    text = part.refusal if part.type == "refusal" else part.text
    if text is None:
        raise RequestError(f"{where}.{member}", "must be given", code="missing_required_parameter")
    return text


def _image(part: Part, where: str) -> Image:
    if part.image_url is None:
        problem = "expected a data: URL with base64; the agent keeps no files of OpenAI's"
        raise RequestError(f"{where}.image_url", problem, code="unsupported_value")
    return of_data_url(part.image_url, f"{where}.image_url")
