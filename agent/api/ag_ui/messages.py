"""Messages between AG-UI's form and the graph's."""

from collections.abc import Iterable, Sequence
from typing import Any

from langchain_core.messages import AIMessage, AnyMessage, HumanMessage, ToolCall, ToolMessage

from agent.api.ag_ui.run_input import AssistantInput, InputMessage, UserInput
from agent.api.ag_ui.tool_call_events import arguments_text
from agent.api.ag_ui.wire import METADATA_KEY, Event, reasoning_id, result_id
from agent.errors.error_response import RequestError
from graph.events import MAX_CHARACTERS
from graph.models.response import CUT_OFF


def to_ag_ui(messages: Iterable[AnyMessage]) -> list[Event]:
    """`messages` as a client shows them: without instructions, arguments and results cut as in events.

    Each has the id that its events had. One without an id is left out, and one that was changed later, such
    as a call whose arguments a person edited, is in its last form at its first place.
    """
    shown: list[Event] = []
    for message in {message.id or object(): message for message in messages}.values():
        match message:
            case HumanMessage(id=str(identifier)):
                shown.append({"id": identifier, "role": "user", "content": message.text})
            case AIMessage(id=str(identifier)):
                shown += _assistant(message, identifier)
            case ToolMessage():
                shown.append(_result(message))
    return shown


def conversation(given: Sequence[InputMessage], *, most: int) -> list[AnyMessage]:
    """The conversation for a run without a thread, by the client's account.

    Tool calls and results are left out, because only the agent makes them. Raises `RequestError` if the last
    message is not the user's, if there are more than `most`, or if one is not text.
    """
    messages: list[AnyMessage] = []
    for index, message in enumerate(given):
        if isinstance(message, UserInput):
            messages.append(user_message(message, index))
        elif isinstance(message, AssistantInput) and message.content:
            messages.append(AIMessage(message.content, id=message.id))
    if not messages or not isinstance(messages[-1], HumanMessage):
        raise RequestError("messages", "the last message must be the user's")
    if len(messages) > most:
        found = f"expected at most {most} messages, found {len(messages)}"
        raise RequestError("messages", found, code="array_above_max_length")
    return messages


def user_message(message: UserInput, index: int) -> HumanMessage:
    """The message for the graph, with the client's id. Raises `RequestError` if it is not text."""
    if isinstance(message.content, str):
        return HumanMessage(message.content, id=message.id)
    parts: list[str] = []
    for number, part in enumerate(message.content):
        if part.type != "text" or part.text is None:
            name = f"messages[{index}].content[{number}]"
            raise RequestError(name, "only text is supported", code="unsupported_value")
        parts.append(part.text)
    return HumanMessage("".join(parts), id=message.id)


def _assistant(message: AIMessage, identifier: str) -> list[Event]:
    shown: list[Event] = []
    if thought := message.additional_kwargs.get("reasoning_content"):
        shown.append({"id": reasoning_id(identifier), "role": "reasoning", "content": str(thought)})
    assistant: Event = {"id": identifier, "role": "assistant"}
    if text := message.text:
        assistant["content"] = text
    if message.tool_calls:
        assistant["toolCalls"] = [_call(call) for call in message.tool_calls]
    if (finish := message.response_metadata.get("finish_reason")) in CUT_OFF:
        assistant["metadata"] = {METADATA_KEY: {"finish_reason": finish}}
    return [*shown, assistant]


def _call(call: ToolCall) -> dict[str, Any]:
    function = {"name": call["name"], "arguments": arguments_text(call["args"])}
    return {"id": call["id"] or "", "type": "function", "function": function}


def _result(message: ToolMessage) -> Event:
    text = message.text
    shown: Event = {
        "id": result_id(message.tool_call_id),
        "role": "tool",
        "toolCallId": message.tool_call_id,
        "content": text if len(text) <= MAX_CHARACTERS else f"{text[:MAX_CHARACTERS]}…",
    }
    about: dict[str, Any] = {"ok": message.status == "success"}
    if isinstance(message.artifact, dict):
        about |= {name: each for name, each in message.artifact.items() if name != "error" or each}
    return shown | {"metadata": {METADATA_KEY: about}}
