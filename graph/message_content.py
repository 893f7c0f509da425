"""Messages in the form of OpenTelemetry's GenAI conventions, for traces whose setting requires content."""

import json
from collections.abc import Iterable, Sequence
from typing import Any, Final

from langchain_core.messages import AIMessage, AnyMessage, BaseMessage, ToolMessage

from identity.secrets.redaction import redact
from identity.secrets.secret import Secret

_ROLES: Final = {"human": "user", "ai": "assistant"}


def message_content(messages: Iterable[AnyMessage], secrets: Sequence[Secret]) -> str:
    """`messages` as JSON, without `secrets`. Images and other parts that are no text are left out."""
    return json.dumps(redact([_message(message) for message in messages], secrets), ensure_ascii=False)


def _message(message: BaseMessage) -> dict[str, Any]:
    parts: list[dict[str, Any]] = []
    if isinstance(message, ToolMessage):
        parts.append({"type": "tool_call_response", "id": message.tool_call_id, "response": message.text})
    else:
        if thought := message.additional_kwargs.get("reasoning_content"):
            parts.append({"type": "reasoning", "content": thought})
        if text := str(message.text):
            parts.append({"type": "text", "content": text})
    if isinstance(message, AIMessage):
        parts += [
            {"type": "tool_call", "id": call["id"], "name": call["name"], "arguments": call["args"]}
            for call in message.tool_calls
        ]
    return {"role": _ROLES.get(message.type, message.type), "parts": parts}
