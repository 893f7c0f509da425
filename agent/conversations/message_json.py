"""Messages as JSON of known members: what is stored of a conversation, and exported.

    {"type": "human", "id": "…", "content": "What is the weather?"}
    {"type": "ai", "id": "…", "content": "", "tool_calls": [{"id": "…", "name": "maps_weather", "args": {…}}],
     "reasoning": "…", "finish_reason": "tool_calls", "model": "qwen-plus", "usage": {…}}
    {"type": "tool", "id": "…", "content": "…", "tool_call_id": "…", "name": "maps_weather",
     "status": "success", "artifact": {…}}

`content` is a text, or a list of content blocks. What a program wrote in the user's name has
`written_by`. No class name is stored, so reading imports nothing.
"""

import json
from collections.abc import Callable, Mapping
from typing import Any, Final

from langchain_core.messages import AIMessage, AnyMessage, HumanMessage, SystemMessage, ToolCall, ToolMessage

from graph.authorship import by_program, program_of
from graph.models.piece import thinking_kwargs


def message_to_json(message: AnyMessage) -> dict[str, Any]:
    """The members of `message` that are kept. Raises `ValueError` for other kinds of messages."""
    members: dict[str, Any] = {"type": message.type, "id": message.id, "content": message.content}
    if message.name:
        members["name"] = message.name
    if (program := program_of(message)) is not None:
        members["written_by"] = program
    if isinstance(message, AIMessage):
        members |= _of_response(message)
    elif isinstance(message, ToolMessage):
        members |= {"tool_call_id": message.tool_call_id, "status": message.status}
        if message.artifact is not None:
            members["artifact"] = message.artifact
    elif not isinstance(message, HumanMessage | SystemMessage):
        kind = f"a message of type {message.type!r} cannot be stored"
        raise ValueError(kind)  # noqa: TRY004 - of a value that came from outside
    return members


def message_from_json(members: Mapping[str, Any]) -> AnyMessage:
    """The message that `message_to_json` was given. Raises `ValueError` if `kept` is no such object."""
    try:
        message = _READERS[members["type"]](members)
        return by_program(message, members["written_by"]) if "written_by" in members else message
    except (KeyError, TypeError, AttributeError):
        raise ValueError("the stored message does not have the expected form") from None


def encoded(members: Mapping[str, Any] | list[Mapping[str, Any]]) -> bytes:
    """JSON in UTF-8, without spaces. Lone surrogates, which a client may send, are escaped."""
    try:
        return json.dumps(members, ensure_ascii=False, separators=(",", ":")).encode()
    except UnicodeEncodeError:
        return json.dumps(members, separators=(",", ":")).encode("ascii")


def _of_response(message: AIMessage) -> dict[str, Any]:
    calls = [{"id": call["id"], "name": call["name"], "args": call["args"]} for call in message.tool_calls]
    members = {
        "tool_calls": calls,
        "reasoning": message.additional_kwargs.get("reasoning_content"),
        "finish_reason": message.response_metadata.get("finish_reason"),
        "model": message.response_metadata.get("model_name"),
        "usage": message.usage_metadata,
    }
    return {name: value for name, value in members.items() if value}


def _response(members: Mapping[str, Any]) -> AIMessage:
    metadata: dict[str, Any] = {}
    for name, member in (("finish_reason", "finish_reason"), ("model_name", "model")):
        if member in members:
            metadata[name] = members[member]
    return AIMessage(
        content=members["content"],
        id=members["id"],
        name=members.get("name"),
        tool_calls=[
            ToolCall(id=call["id"], name=call["name"], args=call["args"], type="tool_call")
            for call in members.get("tool_calls", ())
        ],
        additional_kwargs=thinking_kwargs(members.get("reasoning") or ""),
        response_metadata=metadata,
        usage_metadata=members.get("usage"),
    )


def _result(members: Mapping[str, Any]) -> ToolMessage:
    return ToolMessage(
        content=members["content"],
        id=members["id"],
        name=members.get("name"),
        tool_call_id=members["tool_call_id"],
        status=members["status"],
        artifact=members.get("artifact"),
    )


_READERS: Final[Mapping[str, Callable[[Mapping[str, Any]], AnyMessage]]] = {
    "human": lambda members: HumanMessage(
        content=members["content"], id=members["id"], name=members.get("name")
    ),
    "system": lambda members: SystemMessage(
        content=members["content"], id=members["id"], name=members.get("name")
    ),
    "ai": _response,
    "tool": _result,
}
