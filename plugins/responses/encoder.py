"""The events of a run as those of OpenAI's Responses API, and the response as they leave it.

A call of the agent's own tools is an item `mcp_call`, which clients show and do not run. What OpenAI has no
member for is in `agent_event`, beside the others: whose rights a call uses, an approval as every surface
shows it.
"""

from collections.abc import AsyncIterator, Callable, Mapping
from typing import Any, Final, Literal, TypeAlias

from agent.api.event_stream import json_text
from agent.api.waiting_text import waiting_text
from agent.errors.error_codes import AgentCode
from agent.errors.error_response import reported_body
from agent.runs.run import Cancelled, Finished, Paused, RunEvent, RunReader, Usage
from graph.approvals.record import ApprovalKind, PendingApproval
from graph.approvals.request import approval_of
from graph.events import ConsentRequired, ServicesUnavailable, ToolFinished, ToolStarted, joined_unavailable
from graph.models.response import CUT_OFF
from identity.errors import AgentError
from plugins.responses.response_id import ItemIds

Members: TypeAlias = dict[str, Any]
Status: TypeAlias = Literal["in_progress", "completed", "incomplete", "failed", "cancelled"]

_OWN: Final = "idaas-agent:"
"""Begins the types of events that OpenAI does not have."""
_REASONS: Final = {"length": "max_output_tokens", "content_filter": "content_filter"}
_ENDS: Final[Mapping[Status, str]] = {
    "completed": "response.completed",
    "incomplete": "response.incomplete",
    "failed": "response.failed",
    "cancelled": "response.failed",
}
_ITEM_ONLY: Final = ("arguments", "result")
"""Members of a call's events that its item has itself."""


class _Part:
    """The part of a message, or of reasoning, that the model is writing."""

    def __init__(self, item: Members, index: int, kind: Literal["content", "reasoning"]) -> None:
        self.item: Final = item
        self.index: Final = index
        self.kind: Final = kind
        self._pieces: list[str] = []
        self._name = "output_text" if kind == "content" else "reasoning_text"

    def opened(self) -> Members:
        """The beginning of the part, which is empty."""
        return {"type": "response.content_part.added", **self._place(), "part": self._part("")}

    def piece(self, text: str) -> Members:
        """A piece of its text."""
        self._pieces.append(text)
        return {"type": f"response.{self._name}.delta", **self._place(), "delta": text, **self._logprobs()}

    def closed(self, status: str) -> list[Members]:
        """The end of the part and of its item."""
        text = "".join(self._pieces)
        part = self._part(text)
        self.item["content"] = [part]
        self.item["status"] = status
        return [
            {"type": f"response.{self._name}.done", **self._place(), "text": text, **self._logprobs()},
            {"type": "response.content_part.done", **self._place(), "part": part},
            _item_done(self.index, self.item),
        ]

    def _place(self) -> Members:
        return {"item_id": self.item["id"], "output_index": self.index, "content_index": 0}

    def _part(self, text: str) -> Members:
        if self.kind == "reasoning":
            return {"type": self._name, "text": text}
        return {"type": self._name, "text": text, "annotations": [], "logprobs": []}

    def _logprobs(self) -> Members:
        return {"logprobs": []} if self.kind == "content" else {}


class ResponseEncoder:
    """Encodes one run, and keeps the response. Call `begun` first, then `event` for each event of the run."""

    def __init__(
        self,
        response: Mapping[str, Any],
        ids: ItemIds,
        *,
        clock: Callable[[], float],
        approved: Mapping[str, str] | None = None,
        page: str | None = None,
    ) -> None:
        """`response` has the members that do not change. `clock` says when it is completed. `approved` are
        the calls about which the request decides: the items that asked, by the ids of the calls. `page` is
        where the user decides about what no item asks.
        """
        self._ids: Final = ids
        self._clock: Final = clock
        self._approved: Final = approved or {}
        self._page: Final = page
        self._response: Final[Members] = {
            **response,
            "object": "response",
            "status": "in_progress",
            "error": None,
            "incomplete_details": None,
            "output": [],
            "usage": None,
        }
        self._output: Final[list[Members]] = self._response["output"]
        self._message_id: str | None = None
        self._open: _Part | None = None
        self._calls: dict[str, int] = {}
        """The positions of calls that have not ended, by their ids."""
        self._consent: ConsentRequired | None = None
        self._unavailable: ServicesUnavailable | None = None

    def response(self) -> Members:
        """The response now. Later events change it."""
        return self._response

    def begun(self) -> list[Members]:
        """The beginning of the response."""
        return [self._lifecycle("response.created"), self._lifecycle("response.in_progress")]

    def event(self, event: RunEvent) -> list[Members]:
        """An event of the run, or its end."""
        match event:
            case Finished():
                return self._finished(event)
            case Paused():
                return self._paused(event)
            case Cancelled():
                code = AgentCode.RUN_CANCELLED
                return self._early("cancelled", code.value, code.row.for_person())
        match event["type"]:
            case "content" | "reasoning":
                return self._piece(event["type"], event["text"])
            case "response_started":
                self._message_id = event["message_id"]
                return self._closed()
            case "tool_started":
                return [*self._closed(), *self._started(event)]
            case "tool_finished":
                return [*self._closed(), *self._ended_call(event)]
            case "consent_required":
                self._consent = event
                self._response["agent_event"] = event
                return [_own(event)]
            case "services_unavailable":
                self._unavailable = joined_unavailable(self._unavailable, event)
                self._response["agent_event"] = self._consent or self._unavailable
                return [_own(event)]
            case "notice":
                self._response.setdefault("agent_notices", []).append(event)
                return [_own(event)]
            case "tool_progress" | "custom":
                return [_own(event)]
        return []

    def failed(self, error: AgentError) -> list[Members]:
        """The end of a run that failed: its code and the person's text. It is also logged for operators."""
        fault = reported_body(error)["error"]
        if error.code is AgentCode.EVENTS_LOST:  # of the reader: the run may go on
            lost = {name: fault[name] for name in ("code", "message", "param")}
            return [{"type": "error", **lost}]
        return self._early("failed", fault["code"], fault["message"], request_id=fault["request_id"])

    def ended_early(self, status: Literal["failed", "cancelled"], code: str, message: str) -> None:
        """For a response that is read later: how its run ended."""
        self._early(status, code, message)

    def counted(self, usage: Usage) -> None:
        """For a response that is read later: the tokens of its run."""
        self._response["usage"] = _usage(usage)

    def _piece(self, kind: Literal["content", "reasoning"], text: str) -> list[Members]:
        if self._open is not None and self._open.kind == kind:
            return [self._open.piece(text)]
        closed = self._closed()
        if kind == "content":
            item = self._message()
        else:
            item_id = self._ids.next("rs", self._message_id)
            item = {"id": item_id, "type": "reasoning", "status": "in_progress", "summary": [], "content": []}
        added = self._added(item)
        self._open = _Part(item, len(self._output) - 1, kind)
        return [*closed, added, self._open.opened(), self._open.piece(text)]

    def _message(self) -> Members:
        item_id = self._ids.next("msg", self._message_id)
        about = {"status": "in_progress", "role": "assistant", "content": []}
        return {"id": item_id, "type": "message", **about}

    def _closed(self, status: str = "completed") -> list[Members]:
        if self._open is None:
            return []
        part = self._open
        self._open = None
        return part.closed(status)

    def _started(self, event: ToolStarted) -> list[Members]:
        call_id = event["call_id"]
        arguments = json_text(event["arguments"])
        item: Members = {
            "id": self._ids.next("mcp", call_id),
            "type": "mcp_call",
            "status": "in_progress",
            "approval_request_id": self._approved.get(call_id),
            "name": event["tool"],
            "server_label": event["service"] or "",
            "arguments": "",
            "output": None,
            "error": None,
            "agent_event": _without(event, _ITEM_ONLY),
        }
        added = self._added(item)
        index = len(self._output) - 1
        self._calls[call_id] = index
        item["arguments"] = arguments
        place = {"item_id": item["id"], "output_index": index}
        return [
            added,
            {"type": "response.mcp_call.in_progress", **place},
            {"type": "response.mcp_call_arguments.delta", **place, "delta": arguments},
            {"type": "response.mcp_call_arguments.done", **place, "arguments": arguments},
        ]

    def _ended_call(self, event: ToolFinished) -> list[Members]:
        index = self._calls.pop(event["call_id"], None)
        if index is None:
            return []
        item = self._output[index]
        item["agent_event"] = _without(event, _ITEM_ONLY)
        result = event["result"]
        if event["ok"]:
            item |= {"status": "completed", "output": result}
            end = "completed"
        else:
            content = [{"type": "text", "text": result}]
            item |= {"status": "failed", "error": {"type": "mcp_tool_execution_error", "content": content}}
            end = "failed"
        place = {"item_id": item["id"], "output_index": index}
        return [{"type": f"response.mcp_call.{end}", **place}, _item_done(index, item)]

    def _finished(self, end: Finished) -> list[Members]:
        self._response["usage"] = _usage(end.usage)
        self._response["finish_reason"] = end.finish_reason
        if end.finish_reason in CUT_OFF:
            self._response["incomplete_details"] = {"reason": _REASONS[end.finish_reason]}
            return self._ended("incomplete")
        return self._ended("completed")

    def _paused(self, end: Paused) -> list[Members]:
        """The run waits for a person: the response has ended, and another one goes on after the decision."""
        self._response["usage"] = _usage(end.usage)
        asked = [event for pending in end.pending for event in self._question(pending)]
        return [*self._closed(), *asked, *self._ended("completed")]

    def _question(self, pending: PendingApproval) -> list[Members]:
        request = pending.request
        about = {"type": "approval_required", "approval": approval_of(pending)}
        if request.kind is ApprovalKind.TOOL_CALL:
            item: Members = {
                "id": self._ids.of_approval(request.id),
                "type": "mcp_approval_request",
                "name": request.tool,
                "server_label": request.service,
                "arguments": json_text(dict(pending.arguments)),
                "agent_event": about,
            }
            return [self._added(item), _item_done(len(self._output) - 1, item)]
        message = self._message() | {"agent_event": about}
        added = self._added(message)
        part = _Part(message, len(self._output) - 1, "content")
        return [
            added,
            part.opened(),
            part.piece(waiting_text(pending, self._page)),
            *part.closed("completed"),
        ]

    def _early(
        self, status: Literal["failed", "cancelled"], code: str, message: str, **members: object
    ) -> list[Members]:
        self._response["error"] = {"code": code, "message": message, **members}
        return self._ended(status)

    def _ended(self, status: Status) -> list[Members]:
        whole = "completed" if status == "completed" else "incomplete"
        closed = self._closed(whole)
        for index in self._calls.values():
            item = self._output[index]
            item["status"] = "incomplete"
            closed.append(_item_done(index, item))
        self._calls.clear()
        self._response["status"] = status
        if status == "completed":
            self._response["completed_at"] = int(self._clock())
        return [*closed, self._lifecycle(_ENDS[status])]

    def _lifecycle(self, kind: str) -> Members:
        return {"type": kind, "response": self._response}

    def _added(self, item: Members) -> Members:
        self._output.append(item)
        index = len(self._output) - 1
        return {"type": "response.output_item.added", "output_index": index, "item": dict(item)}


async def texts(encoder: ResponseEncoder, run: RunReader) -> AsyncIterator[str]:
    """The run as server-sent events, numbered from 0."""
    events = _Numbered()
    yield events.texts(encoder.begun())
    try:
        async for event in run:
            encoded = encoder.event(event)
            for other in run.ready():  # one packet for all that have arrived at once
                encoded += encoder.event(other)
            if encoded:
                yield events.texts(encoded)
    except AgentError as error:
        yield events.texts(encoder.failed(error))


async def whole(encoder: ResponseEncoder, run: RunReader) -> Members:
    """The response when the run has ended, or waits. Raises the error of a run that failed."""
    async for event in run:
        encoder.event(event)
    return encoder.response()


class _Numbered:
    """Server-sent events with `sequence_number`, the next of which continues."""

    def __init__(self) -> None:
        self._next = 0

    def texts(self, events: list[Members]) -> str:
        """`events` as text: each with its type as the name of the event, as OpenAI sends them."""
        texts = []
        for event in events:
            numbered = event | {"sequence_number": self._next}
            texts.append(f"event: {event['type']}\ndata: {json_text(numbered)}\n\n")
            self._next += 1
        return "".join(texts)


def _item_done(index: int, item: Members) -> Members:
    return {"type": "response.output_item.done", "output_index": index, "item": dict(item)}


def _own(event: Mapping[str, Any]) -> Members:
    return {"type": f"{_OWN}{event['type']}", "agent_event": event}


def _without(event: Mapping[str, Any], names: tuple[str, ...]) -> Members:
    return {name: value for name, value in event.items() if name not in names}


def _usage(usage: Usage) -> Members:
    return {
        "input_tokens": usage.input_tokens,
        "input_tokens_details": {"cached_tokens": 0, "cache_write_tokens": 0},
        "output_tokens": usage.output_tokens,
        "output_tokens_details": {"reasoning_tokens": usage.reasoning_tokens},
        "total_tokens": usage.input_tokens + usage.output_tokens,
    }
