"""The events of a run of an application's graph, and the messages that its conversation keeps."""

import json
import uuid
from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Any, Final

from langchain_core.messages import (
    AIMessage,
    AnyMessage,
    BaseMessage,
    ToolCall,
    ToolMessage,
    convert_to_messages,
)
from langgraph.prebuilt import ToolNode
from langgraph.types import Command, Overwrite

from graph.context import AgentContext
from graph.events import (
    MAX_CHARACTERS,
    TOO_LONG,
    AgentEvent,
    OwnEvent,
    ResponseStarted,
    StepEvent,
    TextEvent,
    ToolFinished,
    ToolStarted,
    shown_arguments,
    shown_text,
)
from graph.models.piece import thinking_kwargs
from idaas_agent.library.shown_calls import shown_id
from identity.secrets.redaction import redact

_SUMMARY: Final = "lc_source"
"""In the metadata of what LangChain's middleware asks a model for itself."""


class ShownRun:
    """One run. `context` is the server's, whose writer also tells which calls were shown."""

    def __init__(self, context: AgentContext, graph: Any) -> None:  # noqa: ANN401 - LangGraph's
        self._write = context.writer or _nowhere
        self.context: Final = replace(context, writer=self._note)
        self.modes: Final = ["updates", "custom"]
        if context.streaming:
            self.modes.append("messages")
        if context.steps:
            self.modes.append("tasks")
        self._secrets = [] if context.access_token is None else [context.access_token]
        self._silent = {name for name, node in graph.nodes.items() if _asks_for_itself(name, node)}
        self._steps: list[str] = []
        self._response = ""
        self._calls: dict[str, ToolCall] = {}
        """The latest call of each id that the graph knows, with the id that is shown."""
        self._shown_calls: set[str] = set()
        self._known: set[str | None] = set()

    def knows(self, messages: Iterable[AnyMessage]) -> None:
        """The conversation has these messages."""
        for message in messages:
            self._known.add(message.id)
            self._note_calls(message)

    def show(self, mode: str, part: Any) -> None:  # noqa: ANN401 - of LangGraph's streams
        """Writes what LangGraph streams in `mode`."""
        if mode == "custom":
            self._show_value(part)
        elif mode == "messages":
            self._show_piece(*part)
        elif "triggers" in part:
            self._steps.append(part["name"])
            self._write(StepEvent(type="step_started", step=part["name"]))
        elif part["name"] in self._steps:
            self._steps.remove(part["name"])
            if not part["error"] and not part["interrupts"]:
                self._write(StepEvent(type="step_finished", step=part["name"]))

    def added(self, update: Mapping[str, Any]) -> dict[str, Any]:
        """The messages that each node adds to the conversation, as an update of the agent's own graph."""
        return {node: {"messages": messages} for node, messages in self._added(update) if messages}

    def _added(self, update: Mapping[str, Any]) -> Iterable[tuple[str, list[AnyMessage]]]:
        for node, values in update.items():
            added: list[AnyMessage] = []
            for value in _listed(values):
                written = value.get("messages") if isinstance(value, Mapping) else None
                added += self._new(_messages_in(written))
            yield node, added

    def _new(self, messages: Iterable[BaseMessage]) -> Iterable[AnyMessage]:
        """The responses and results that the conversation does not have. What else a graph does with its
        messages, such as a summary in their place, is its own for this run.
        """
        for message in messages:
            if not isinstance(message, AIMessage | ToolMessage):
                continue
            message.id = message.id or uuid.uuid4().hex  # the graph's own copy gets the same
            if message.id in self._known:
                continue
            self._known.add(message.id)
            self._note_calls(message)
            yield self._result(message) if isinstance(message, ToolMessage) else _response(message)

    def _note_calls(self, message: BaseMessage) -> None:
        if isinstance(message, AIMessage):
            self._calls |= {str(call["id"]): _as_shown(call, message) for call in message.tool_calls}

    def _result(self, message: ToolMessage) -> ToolMessage:
        """A result as the conversation keeps it: its text, and what a governed call reports."""
        call = self._calls.get(message.tool_call_id)
        artifact = message.artifact if _is_report(message.artifact) else None
        kept = message.model_copy(update={"content": str(message.text), "artifact": artifact})
        if call is not None:
            kept.tool_call_id = str(call["id"])
            self._show_result(kept, call)
        return kept

    def _note(self, event: AgentEvent) -> None:
        if event["type"] == "tool_started":
            self._shown_calls.add(event["call_id"])
        self._write(event)

    def _show_value(self, value: Any) -> None:  # noqa: ANN401 - what the graph writes
        """A value that a node writes: any JSON."""
        text = json.dumps(value)
        shown = json.loads(text) if len(text) <= MAX_CHARACTERS else dict(TOO_LONG)
        step = self._steps[-1] if self._steps else ""
        self._write(OwnEvent(type="custom", step=step, value=redact(shown, self._secrets)))

    def _show_piece(self, message: BaseMessage, metadata: Mapping[str, Any]) -> None:
        """A piece of a response, or a whole one of a node that asks no model that streams. What middleware
        and tools ask a model for themselves is not shown.
        """
        if not isinstance(message, AIMessage) or metadata.get("langgraph_node") in self._silent:
            return
        if metadata.get(_SUMMARY) or message.id in self._known:
            return
        thinking = _thinking_in(message)
        text = str(message.text)
        if (thinking or text) and message.id and message.id != self._response:
            self._response = message.id
            if self.context.steps:
                self._write(ResponseStarted(type="response_started", message_id=message.id))
        if thinking:
            self._write(TextEvent(type="reasoning", text=thinking))
        if text:
            self._write(TextEvent(type="content", text=text))

    def _show_result(self, message: ToolMessage, call: ToolCall) -> None:
        """The call of a tool that is not governed, once it has its result."""
        if message.tool_call_id in self._shown_calls:
            return
        about: dict[str, Any] = {
            "tool": call["name"],
            "service": None,
            "access_identity": None,
            "call_id": message.tool_call_id,
        }
        arguments = shown_arguments(redact(dict(call["args"]), self._secrets))
        started: ToolStarted = {"type": "tool_started", **about, "arguments": arguments}  # type: ignore[typeddict-item]  # `about` has the rest
        ended = {"ok": message.status == "success", "called": True, "duration_ms": 0}
        result = shown_text(redact(str(message.text), self._secrets))
        finished: ToolFinished = {"type": "tool_finished", **about, **ended, "result": result}  # type: ignore[typeddict-item]  # `about` and `ended` have the rest
        self._write(started)
        self._write(finished)


def _nowhere(_: AgentEvent) -> None:
    pass


def _asks_for_itself(name: str, node: Any) -> bool:  # noqa: ANN401 - LangGraph's
    """Whether a node runs tools, or is a hook of middleware."""
    return isinstance(getattr(node, "bound", None), ToolNode) or "." in name


def _messages_in(written: Any) -> list[BaseMessage]:  # noqa: ANN401 - of any form
    if isinstance(written, Overwrite):
        written = written.value
    if isinstance(written, Command) or not written:
        return []
    return convert_to_messages(_listed(written))


def _listed(value: Any) -> list[Any]:  # noqa: ANN401 - of any form
    return value if isinstance(value, list) else [value]


def _thinking_in(message: AIMessage) -> str:
    """The model's thinking, in the forms in which providers have it."""
    thinking = message.additional_kwargs.get("reasoning_content")
    if isinstance(thinking, str):
        return thinking
    if isinstance(message.content, str):
        return ""
    blocks = [block for block in message.content_blocks if block["type"] == "reasoning"]
    return "".join(str(block.get("reasoning", "")) for block in blocks)


def _response(message: AIMessage) -> AIMessage:
    """A response as the conversation keeps it: its text, its thinking and its calls."""
    thinking = _thinking_in(message)
    return AIMessage(
        str(message.text),
        id=message.id,
        name=message.name,
        tool_calls=[_as_shown(call, message) for call in message.tool_calls],
        additional_kwargs=thinking_kwargs(thinking),
        response_metadata=message.response_metadata,
        usage_metadata=message.usage_metadata,
    )


def _as_shown(call: ToolCall, message: AIMessage) -> ToolCall:
    return ToolCall(
        name=call["name"], args=call["args"], id=shown_id(message.id, str(call["id"])), type="tool_call"
    )


def _is_report(artifact: object) -> bool:
    """Whether it is what a governed call reports of itself, not a value of the tool's own."""
    return isinstance(artifact, dict) and "called" in artifact and "duration_ms" in artifact
