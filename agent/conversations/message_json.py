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


def message_to_json(message: AnyMessage) -> dict[str, Any]:
    """The members of `message` that are kept. Raises `ValueError` for other kinds of messages."""
    kept: dict[str, Any] = {"type": message.type, "id": message.id, "content": message.content}
    if message.name:
        kept["name"] = message.name
    if (program := program_of(message)) is not None:
        kept["written_by"] = program
    if isinstance(message, AIMessage):
        kept |= _of_response(message)
    elif isinstance(message, ToolMessage):
        kept |= {"tool_call_id": message.tool_call_id, "status": message.status}
        if message.artifact is not None:
            kept["artifact"] = message.artifact
    elif not isinstance(message, HumanMessage | SystemMessage):
        kind = f"a message of type {message.type!r} cannot be stored"
        raise ValueError(kind)  # noqa: TRY004 - of a value that came from outside
    return kept


def message_from_json(kept: Mapping[str, Any]) -> AnyMessage:
    """The message that `message_to_json` was given. Raises `ValueError` if `kept` is no such object."""
    try:
        message = _READERS[kept["type"]](kept)
        return by_program(message, kept["written_by"]) if "written_by" in kept else message
    except (KeyError, TypeError, AttributeError):
        raise ValueError("the stored message does not have the expected form") from None


def encoded(kept: Mapping[str, Any]) -> bytes:
    """JSON in UTF-8, without spaces. Lone surrogates, which a client may send, are escaped."""
    try:
        return json.dumps(kept, ensure_ascii=False, separators=(",", ":")).encode()
    except UnicodeEncodeError:
        return json.dumps(kept, separators=(",", ":")).encode("ascii")


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


def _response(kept: Mapping[str, Any]) -> AIMessage:
    reasoning, metadata = kept.get("reasoning"), {}
    for name, member in (("finish_reason", "finish_reason"), ("model_name", "model")):
        if member in kept:
            metadata[name] = kept[member]
    return AIMessage(
        content=kept["content"],
        id=kept["id"],
        name=kept.get("name"),
        tool_calls=[
            ToolCall(id=call["id"], name=call["name"], args=call["args"], type="tool_call")
            for call in kept.get("tool_calls", ())
        ],
        additional_kwargs={"reasoning_content": reasoning} if reasoning else {},
        response_metadata=metadata,
        usage_metadata=kept.get("usage"),
    )


def _result(kept: Mapping[str, Any]) -> ToolMessage:
    return ToolMessage(
        content=kept["content"],
        id=kept["id"],
        name=kept.get("name"),
        tool_call_id=kept["tool_call_id"],
        status=kept["status"],
        artifact=kept.get("artifact"),
    )


_READERS: Final[Mapping[str, Callable[[Mapping[str, Any]], AnyMessage]]] = {
    "human": lambda kept: HumanMessage(content=kept["content"], id=kept["id"], name=kept.get("name")),
    "system": lambda kept: SystemMessage(content=kept["content"], id=kept["id"], name=kept.get("name")),
    "ai": _response,
    "tool": _result,
}
