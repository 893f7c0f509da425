"""Validates a conversation of OpenAI's or LangChain's messages and converts it to the graph's messages.

Only text, images of the user, tool calls and their results are kept. Other members (ids, metadata,
additional keyword arguments) are dropped, so that a client cannot change a run with them.
"""

import json
from collections.abc import Mapping, Sequence
from typing import Annotated, Any, Final, Literal, get_args

from langchain_core.messages import AIMessage, AnyMessage, HumanMessage, SystemMessage, ToolCall, ToolMessage
from pydantic import BaseModel, ConfigDict, Discriminator, Field, JsonValue, Tag, TypeAdapter, ValidationError

from agent.api.attachments import Image, content_of, of_data_url
from agent.api.response_models import reference
from agent.api.validation_fault import member_path
from agent.errors.error_response import RequestError
from graph.call_arguments import parse_arguments

_PARTS: Final[list[JsonValue]] = [
    {"properties": {"type": {"const": "text"}, "text": {"type": "string"}}, "required": ["text"]},
    {
        "properties": {"type": {"const": "image_url"}, "image_url": {"type": "object", "required": ["url"]}},
        "required": ["image_url"],
    },
]
"""For the API document, as `_CONTENT_OR_CALLS`: what `conversation` accepts."""
_CONTENT_OR_CALLS: Final[list[JsonValue]] = [
    {"properties": {"content": {"type": ["string", "array"]}}, "required": ["content"]},
    {"properties": {"tool_calls": {"type": "array", "minItems": 1}}, "required": ["tool_calls"]},
]


class Part(BaseModel):
    """A part of a content that is a list: text, or an image of the user, as a `data:` URL."""

    model_config = ConfigDict(json_schema_extra={"oneOf": [*_PARTS]})

    type: Literal["text", "image_url"]
    text: str | None = None
    image_url: dict[Literal["url", "detail"], str] | None = None


def content_kind(content: object) -> str:
    """The tag of a content: the parts of a list, or a text."""
    return "list" if isinstance(content, list) else "str"


# The discriminator chooses the type first, so that a fault in a part is not reported as "must be a string".
Content = Annotated[
    Annotated[str, Tag("str")] | Annotated[list[Part], Field(fail_fast=True), Tag("list")],
    Discriminator(content_kind),
]


class InstructionMessage(BaseModel):
    """An instruction of the client's application. `developer` is the newer name of `system`."""

    role: Literal["system", "developer"]
    content: Content


class UserMessage(BaseModel):
    """A message of the user."""

    role: Literal["user"]
    content: Content


class CalledFunction(BaseModel):
    """A tool's name and its arguments, as JSON text."""

    name: str = Field(min_length=1)
    arguments: str = "{}"


class RequestedToolCall(BaseModel):
    """A tool call that the model requested earlier in the conversation."""

    id: str = Field(min_length=1)
    type: Literal["function"] = "function"
    function: CalledFunction


class AssistantMessage(BaseModel):
    """An earlier message of the model. It has a content unless it has tool calls."""

    model_config = ConfigDict(json_schema_extra={"anyOf": [*_CONTENT_OR_CALLS]})

    role: Literal["assistant"]
    content: Content | None = None
    tool_calls: Annotated[list[RequestedToolCall], Field(fail_fast=True)] | None = None


class ToolResultMessage(BaseModel):
    """The result of an earlier tool call."""

    role: Literal["tool"]
    content: Content
    tool_call_id: str = Field(min_length=1)


WireMessage = Annotated[
    InstructionMessage | UserMessage | AssistantMessage | ToolResultMessage, Field(discriminator="role")
]

_MESSAGES: Final = TypeAdapter(Annotated[list[WireMessage], Field(fail_fast=True)])

_ROLES: Final = {
    "human": "user",
    "HumanMessageChunk": "user",
    "ai": "assistant",
    "AIMessageChunk": "assistant",
    "system": "system",
    "SystemMessageChunk": "system",
    "tool": "tool",
    "ToolMessageChunk": "tool",
}
_LANGCHAIN_ROLES: Final = ("human", "ai")
"""The roles that LangChain knows and OpenAI does not."""


def conversation(wire: Sequence[WireMessage], most_images: int = 0) -> list[AnyMessage]:
    """The messages for the graph, those of the user with at most `most_images` each.

    Raises `RequestError`, also if a tool call has no result, or a result no call.
    """
    messages: list[AnyMessage] = []
    open_calls: set[str] = set()
    for index, message in enumerate(wire):
        if open_calls and not isinstance(message, ToolResultMessage):
            raise _unpaired(index, f"tool call {min(open_calls)!r} must be followed by its tool message")
        match message:
            case InstructionMessage():
                messages.append(SystemMessage(_content(message.content, index)))
            case UserMessage():
                messages.append(HumanMessage(_content(message.content, index, most_images)))
            case AssistantMessage():
                calls = [_call(call, index) for call in message.tool_calls or ()]
                if message.content is None and not calls:
                    where = f"messages[{index}].content"
                    raise RequestError(where, "must be given", code="missing_required_parameter")
                open_calls = {str(call["id"]) for call in calls}
                messages.append(AIMessage(_content(message.content or "", index), tool_calls=calls))
            case ToolResultMessage(tool_call_id=call_id):
                if call_id not in open_calls:
                    raise _unpaired(index, f"there is no tool call {call_id!r} before this tool message")
                open_calls.discard(call_id)
                messages.append(ToolMessage(_content(message.content, index), tool_call_id=call_id))
    if open_calls:
        raise _unpaired(len(wire) - 1, f"tool call {min(open_calls)!r} must be followed by its tool message")
    return messages


def require_few(messages: Sequence[object], most: int, named: str = "messages") -> None:
    """Raises `RequestError` if there are more than `most`."""
    if len(messages) > most:
        problem = f"expected at most {most} {named}, found {len(messages)}"
        raise RequestError("messages", problem, code="array_above_max_length")


def conversation_schema() -> dict[str, Any]:
    """The JSON Schema of a conversation in either form, for the API document."""
    openai = [reference(message, "validation") for message in get_args(get_args(WireMessage)[0])]
    kinds = {"type": sorted({*_ROLES} - {"tool"}), "role": [*_LANGCHAIN_ROLES]}
    langchain = [
        {
            "type": "object",
            "description": "A message in LangChain's form.",
            "properties": {name: {"enum": values}, "content": {"type": "string"}},
            "required": [name, "content"],
        }
        for name, values in kinds.items()
    ]
    return {"type": "array", "minItems": 1, "items": {"anyOf": [*openai, *langchain]}}


def langchain_conversation(messages: Sequence[object]) -> list[AnyMessage]:
    """The messages for the graph, from LangChain's forms (`{"type", "content", …}`, `[role, content]`) or
    OpenAI's.

    Raises pydantic's `ValidationError` or `RequestError`.
    """
    return conversation(_MESSAGES.validate_python([openai_form(message) for message in messages]))


def first_fault(error: ValidationError, within: str | None = None) -> RequestError:
    """The first fault of a conversation, by the path of its member."""
    fault = error.errors(include_url=False, include_input=False)[0]
    path = ".".join(part for part in (within, member_path(fault["loc"])) if part)
    text = str(fault["msg"]).removeprefix("Value error, ")
    return RequestError(path or None, f"{text[:1].lower()}{text[1:]}")


def openai_form(message: object) -> object:
    """`message` in OpenAI's form, if it has one of LangChain's; otherwise unchanged."""
    if isinstance(message, (list, tuple)) and len(message) == 2:
        return {"role": _ROLES.get(str(message[0]), message[0]), "content": message[1]}
    if not isinstance(message, Mapping):
        return message
    kind = message.get("role", message.get("type"))
    if "role" in message and kind not in _LANGCHAIN_ROLES:
        return message
    form: dict[str, Any] = {"role": _ROLES.get(str(kind), kind), "content": message.get("content")}
    if form["role"] == "tool":
        form["tool_call_id"] = message.get("tool_call_id")
    calls = message.get("tool_calls")
    if form["role"] == "assistant" and isinstance(calls, list):
        form["tool_calls"] = list(map(_openai_call, calls))
    return form


def _openai_call(call: object) -> object:
    if not isinstance(call, Mapping):
        return call
    function = {"name": call.get("name"), "arguments": json.dumps(call.get("args"))}
    return {"id": call.get("id"), "function": function}


def _call(call: RequestedToolCall, index: int) -> ToolCall:
    if (arguments := parse_arguments(call.function.arguments or "{}")) is None:
        problem = "must be a JSON object, nested at most 32 levels, with integers of at most 64 bits"
        raise RequestError(f"messages[{index}].tool_calls", f"arguments of {call.function.name!r} {problem}")
    return ToolCall(name=call.function.name, args=arguments, id=call.id, type="tool_call")


def _content(content: Content, index: int, most_images: int = 0) -> Any:  # noqa: ANN401 - as LangChain's
    if isinstance(content, str):
        return content
    where = f"messages[{index}].content"
    parts: list[str | Image] = []
    for number, part in enumerate(content):
        if part.type == "text" and part.text is not None:
            parts.append(part.text)
        elif part.type == "image_url" and part.image_url is not None:
            parts.append(of_data_url(part.image_url.get("url", ""), f"{where}[{number}]"))
        else:
            name = f"{where}[{number}].{part.type}"
            raise RequestError(name, "must be given", code="missing_required_parameter")
    return content_of(parts, where, most_images)


def _unpaired(index: int, text: str) -> RequestError:
    return RequestError(f"messages[{index}]", text)
