"""Messages between AG-UI's form and the graph's, and the names that they share with events."""

from collections.abc import Iterable, Sequence
from typing import Any, Final, TypeAlias

from langchain_core.messages import AIMessage, AnyMessage, HumanMessage, ToolCall, ToolMessage

from agent.api.ag_ui.run_input import AssistantInput, InputMessage, UserInput
from agent.api.attachments import Image, content_of
from agent.api.event_stream import json_text
from agent.api.messages import require_few
from agent.conversations.run_transcript import UNFINISHED
from agent.errors.error_response import RequestError
from graph.authorship import program_of
from graph.events import shown_arguments, shown_text
from graph.files import file_parts
from graph.models.response import CUT_OFF

PROTOCOL_VERSION: Final = "1.0"

METADATA_KEY: Final = "idaas-agent"
"""The member of an event's or message's `metadata` that contains what AG-UI has no member for."""

Event: TypeAlias = dict[str, Any]
"""An event, with the members and names that it has on the wire. Optional members are absent, never null."""


def result_id(call_id: str) -> str:
    """The id of the message with a call's result, the same in events and in snapshots."""
    return f"result-{call_id}"


def reasoning_id(message_id: str) -> str:
    """The id of the reasoning message before an assistant's message."""
    return f"{message_id}-reasoning"


def to_ag_ui(messages: Iterable[AnyMessage]) -> list[Event]:
    """`messages` as a client shows them: without instructions, arguments and results cut as in events.

    Each has the id that its events had. One without an id is left out, and one that was changed later, such
    as a call whose arguments a person edited, is in its last form at its first place.
    """
    events: list[Event] = []
    for message in {message.id or object(): message for message in messages}.values():
        match message:
            case HumanMessage(id=str(identifier)):
                events.append({"id": identifier, "role": "user", "content": message.text})
                members: Event = {}
                if files := file_parts(message):
                    members["files"] = files
                if program := program_of(message):
                    members["written_by"] = program
                if members:
                    events[-1]["metadata"] = {METADATA_KEY: members}
            case AIMessage(id=str(identifier)):
                events += _assistant(message, identifier)
            case ToolMessage():
                events.append(_result(message))
    return events


def conversation(sent: Sequence[InputMessage], *, most: int, most_images: int = 0) -> list[AnyMessage]:
    """The conversation for a run without a thread, by the client's account.

    Tool calls and results are left out, because only the agent makes them. Raises `RequestError` if the last
    message is not the user's, if there are more than `most`, or as `user_message` does.
    """
    messages: list[AnyMessage] = []
    for index, message in enumerate(sent):
        if isinstance(message, UserInput):
            messages.append(user_message(message, index, most_images))
        elif isinstance(message, AssistantInput) and message.content:
            messages.append(AIMessage(message.content, id=message.id))
    if not messages or not isinstance(messages[-1], HumanMessage):
        raise RequestError("messages", "the last message must be the user's")
    require_few(messages, most)
    return messages


def user_message(message: UserInput, index: int, most_images: int = 0) -> HumanMessage:
    """The message for the graph, with the client's id.

    Raises `RequestError` for another part than text or an image, and for more than `most_images`.
    """
    if isinstance(message.content, str):
        return HumanMessage(message.content, id=message.id)
    parts: list[str | Image] = []
    where = f"messages[{index}].content"
    for number, part in enumerate(message.content):
        if part.type == "text" and part.text is not None:
            parts.append(part.text)
        elif part.type == "image" and part.source is not None and part.source.get("type") == "data":
            parts.append(Image(part.source.get("value")))
        else:
            problem = "only text, and images as data, are supported"
            raise RequestError(f"{where}[{number}]", problem, code="unsupported_value")
    return HumanMessage(content_of(parts, where, most_images), id=message.id)


def _assistant(message: AIMessage, identifier: str) -> list[Event]:
    events: list[Event] = []
    if thought := message.additional_kwargs.get("reasoning_content"):
        events.append({"id": reasoning_id(identifier), "role": "reasoning", "content": str(thought)})
    assistant: Event = {"id": identifier, "role": "assistant"}
    if text := message.text:
        assistant["content"] = text
    if message.tool_calls:
        assistant["toolCalls"] = [_call(call) for call in message.tool_calls]
    if (finish := message.response_metadata.get("finish_reason")) in CUT_OFF | {UNFINISHED}:
        assistant["metadata"] = {METADATA_KEY: {"finish_reason": finish}}
    return [*events, assistant]


def _call(call: ToolCall) -> dict[str, Any]:
    function = {"name": call["name"], "arguments": json_text(shown_arguments(call["args"]))}
    return {"id": call["id"] or "", "type": "function", "function": function}


def _result(message: ToolMessage) -> Event:
    event: Event = {
        "id": result_id(message.tool_call_id),
        "role": "tool",
        "toolCallId": message.tool_call_id,
        "content": shown_text(message.text),
    }
    about: dict[str, Any] = {"ok": message.status == "success"}
    if isinstance(message.artifact, dict):
        about |= {name: value for name, value in message.artifact.items() if name != "error" or value}
    return event | {"metadata": {METADATA_KEY: about}}
