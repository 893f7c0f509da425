"""The events of a run in AG-UI's form, in the order that AG-UI's clients verify.

`RUN_STARTED` is the first event. Before `RUN_FINISHED` everything is closed that is open. A tool call is sent
with its whole arguments when it begins, so calls that run at the same time do not interleave.
"""

import uuid
from collections.abc import AsyncIterator, Awaitable, Callable, Collection, Mapping, Sequence
from itertools import count
from typing import Any, Final, Literal, TypeAlias

from langchain_core.messages import AnyMessage, ToolCall

from agent.api.ag_ui.messages import METADATA_KEY, PROTOCOL_VERSION, Event, reasoning_id, to_ag_ui
from agent.api.ag_ui.tool_call_events import (
    call_announced,
    call_finished,
    call_started,
    custom,
    interrupt_of,
    on_interrupt,
)
from agent.api.event_stream import EventStream, server_sent
from agent.errors.error_codes import AgentCode
from agent.errors.error_response import reported_body
from agent.runs.conversation_runs import Conversations
from agent.runs.live_run import unexpected_error
from agent.runs.run import Cancelled, Finished, Paused, Run, RunEvent, RunReader, Usage, is_step
from identity.access_token.verified_access_token import VerifiedAccessToken
from identity.errors import AgentError

Conversation: TypeAlias = Callable[[], Awaitable[Sequence[AnyMessage] | None]]
"""Reads the whole conversation of a run; `None` if it is too long to send."""
Kind: TypeAlias = Literal["TEXT", "REASONING"]
_ROLES: Final = {"TEXT": "assistant", "REASONING": "reasoning"}


class OpenMessage:
    """The message of the model that a run is writing. At most one of its text and its reasoning is open."""

    def __init__(self, new_id: Callable[[], str]) -> None:
        """`new_id` makes the id of a message that has none."""
        self._new_id: Final = new_id
        self._open: Kind | None = None
        self.id: str | None = None
        """`None` until the model has begun to respond."""

    def begin(self, message_id: str) -> list[Event]:
        """Another message follows."""
        closed = self.close()
        self.id = message_id
        return closed

    def piece(self, kind: Kind, delta: str) -> list[Event]:
        """A piece of the text, or of the reasoning, which is a message of its own."""
        named = self._named(kind)
        content: Event = {"type": f"{kind}_MESSAGE_CONTENT", **named, "delta": delta}
        if self._open == kind:
            return [content]
        closed = self.close()
        self._open = kind
        if kind == "REASONING":
            closed.append({"type": "REASONING_START", **named})
        start: Event = {"type": f"{kind}_MESSAGE_START", **named, "role": _ROLES[kind]}
        return [*closed, start, content]

    def close(self) -> list[Event]:
        """Closes what is open. A later piece opens it again."""
        if (kind := self._open) is None:
            return []
        self._open = None
        ends = [f"{kind}_MESSAGE_END"]
        if kind == "REASONING":
            ends.append("REASONING_END")
        return [{"type": end, **self._named(kind)} for end in ends]

    def _named(self, kind: Kind) -> Event:
        self.id = self.id or self._new_id()
        if kind == "TEXT":
            return {"messageId": self.id}
        return {"messageId": reasoning_id(self.id)}


def usage_of(usage: Usage, model: str) -> Event:
    """The member `usage` of a finished run; empty if the tokens are not known."""
    total = usage.input_tokens + usage.output_tokens
    if not total:
        return {}
    counted = {"inputTokens": usage.input_tokens, "outputTokens": usage.output_tokens, "totalTokens": total}
    reasoning = {"reasoningTokens": usage.reasoning_tokens} if usage.reasoning_tokens else {}
    return {"usage": [{"model": model, **counted, **reasoning}]}


def _error(message: str, code: str, about: dict[str, Any]) -> Event:
    metadata = {"metadata": {METADATA_KEY: about}} if about else {}
    return {"type": "RUN_ERROR", "message": message, "code": code, **metadata}


class RunEncoder:
    """Encodes one run. Call `started` first, then `event` for each event, then one of the others, once."""

    def __init__(
        self,
        thread_id: str,
        run_id: str,
        *,
        model: str,
        announced: Collection[str] = (),
        new_id: Callable[[], str] = lambda: uuid.uuid4().hex,
        latest: str | None = None,
    ) -> None:
        """`thread_id` and `run_id` are the client's. `model` names the model of the usage. `latest` is the
        latest run of a stored conversation.

        `announced` are the ids of calls that an earlier run has sent: only their results are sent.
        `new_id` makes the id of a message that has none.
        """
        self._run: Final = {"threadId": thread_id, "runId": run_id}
        self._model = model
        self._latest = latest
        self._calls: dict[str, Mapping[str, Any] | None] = dict.fromkeys(announced)
        """The calls that were sent; with its arguments, one that an earlier run has sent."""
        self._message = OpenMessage(new_id)
        self._steps: list[str] = []

    def started(self) -> list[Event]:
        """The beginning of the run."""
        return [{"type": "RUN_STARTED", **self._run, "protocolVersion": PROTOCOL_VERSION}]

    def event(self, event: RunEvent) -> list[Event]:
        """An event of the graph, or the end."""
        if isinstance(event, Finished):
            return self.finished(event)
        if isinstance(event, Paused):
            return self.paused(event)
        if isinstance(event, Cancelled):  # not the outcome `cancelled`: clients before version 1.0 fail on it
            code = AgentCode.RUN_CANCELLED
            return [_error(code.row.for_person(), code.value, {})]
        match event["type"]:
            case "content":
                return self._message.piece("TEXT", event["text"])
            case "reasoning":
                return self._message.piece("REASONING", event["text"])
            case "response_started":
                return self._message.begin(event["message_id"])
            case "tool_started":
                if event["call_id"] in self._calls:
                    self._calls[event["call_id"]] = event["arguments"]
                    return self._message.close()
                self._calls[event["call_id"]] = None
                return [*self._message.close(), *call_started(event, self._message.id)]
            case "tool_finished":
                return [*self._message.close(), call_finished(event, self._calls.get(event["call_id"]))]
            case "consent_required" | "services_unavailable" | "notice":
                return [*self._message.close(), custom(event)]
            case "tool_progress":
                return [custom(event)]
            case "custom":
                return [{"type": "CUSTOM", "name": event["step"], "value": event["value"]}]
            case "step_started":
                self._steps.append(event["step"])
                return [{"type": "STEP_STARTED", "stepName": event["step"]}]
            case "step_finished":
                self._steps.remove(event["step"])
                return [*self._message.close(), {"type": "STEP_FINISHED", "stepName": event["step"]}]

    def finished(self, end: Finished) -> list[Event]:
        """The end of a run that succeeded."""
        metadata = {METADATA_KEY: {"finish_reason": end.finish_reason}}
        finished = self._finished({"type": "success"}, usage_of(end.usage, self._model), metadata=metadata)
        return [*self._closed(), self._state("idle"), finished]

    def paused(self, end: Paused, messages: Sequence[AnyMessage] | None = None) -> list[Event]:
        """The end of a run that waits for its user.

        `messages` is the whole conversation. Without it, the client keeps the messages that it has: a
        snapshot of a part would delete the others.
        """
        return [*self._closed(), *self._announcements(end), *self.paused_before(end, messages)]

    def paused_before(self, end: Paused, messages: Sequence[AnyMessage] | None) -> list[Event]:
        """In place of a run: what the conversation waits for since an earlier run."""
        outcome = {"type": "interrupt", "interrupts": [interrupt_of(pending) for pending in end.pending]}
        return [
            *self._snapshots(messages, "paused"),
            *(on_interrupt(pending) for pending in end.pending),
            self._finished(outcome, usage_of(end.usage, self._model)),
        ]

    def unchanged(self, messages: Sequence[AnyMessage] | None, status: str) -> list[Event]:
        """In place of a run: the conversation, to which the client has added nothing."""
        return [*self._snapshots(messages, status), self._finished({"type": "success"}, {})]

    def failed(self, error: AgentError) -> list[Event]:
        """The end of a run that failed: its code and the person's text. It is also logged for operators."""
        body = reported_body(error)["error"]
        about = {name: body[name] for name in ("request_id", "service", "retry_after") if body.get(name)}
        return [_error(body["message"], body["code"], about)]

    def _closed(self) -> list[Event]:
        """Closes everything that is open, as the end of a run requires."""
        steps: list[Event] = [{"type": "STEP_FINISHED", "stepName": step} for step in reversed(self._steps)]
        self._steps.clear()
        return [*self._message.close(), *steps]

    def _announcements(self, end: Paused) -> list[Event]:
        """The call that waits, and the others of the same message: an answer continues the run without
        sending them again.
        """
        pending = end.pending[0]
        response = end.response
        if response is None:
            asked = pending.request
            parent = self._message.id
            calls = [ToolCall(name=asked.tool, args={}, id=asked.call_id)]
        else:
            calls = response.tool_calls
            parent = response.id
        return [
            event
            for call in calls
            if call["id"] not in self._calls
            for event in call_announced(call, parent, pending)
        ]

    def _snapshots(self, messages: Sequence[AnyMessage] | None, status: str) -> list[Event]:
        events: list[Event] = []
        if messages is not None:
            events.append({"type": "MESSAGES_SNAPSHOT", "messages": to_ag_ui(messages)})
        return [*events, self._state(status)]

    def _state(self, status: str) -> Event:
        """The state that a client may see: the conversation, whether it waits for its user, and its latest
        run, if it is stored. A client sends it back, so that the agent knows what the client has seen.
        """
        latest = {} if self._latest is None else {"run": self._latest}
        state = {"thread_id": self._run["threadId"], "status": status, **latest}
        return {"type": "STATE_SNAPSHOT", "snapshot": state}

    def _finished(self, outcome: Event, usage: Event, **members: object) -> Event:
        return {"type": "RUN_FINISHED", **self._run, "outcome": outcome, **usage, **members}


async def encoded(
    encoder: RunEncoder, run: RunReader, conversation: Conversation | None = None
) -> AsyncIterator[str]:
    """The run as server-sent events. The first text goes up to the first event that shows something.

    `conversation` is called when the run waits, for the messages to send.
    """
    texts = [server_sent(encoder.started())]
    opened = False
    try:
        async for event in run:
            if isinstance(event, Paused) and conversation is not None:
                texts.append(server_sent(encoder.paused(event, await conversation())))
            else:
                texts.append(server_sent(encoder.event(event)))
            if opened := opened or not is_step(event):
                if text := "".join(texts):
                    yield text
                texts.clear()
    except Exception as error:  # noqa: BLE001 - a client would take a stream without an end for complete
        yield "".join(texts) + server_sent(encoder.failed(_agent_error(error)))


async def followed(
    conversations: Conversations,
    caller: VerifiedAccessToken,
    thread_id: str,
    last_event_id: str | None,
    *,
    model: str,
) -> EventStream | None:
    """The latest run from its beginning, or after the event that the client has; `None` as in
    `Conversations.follow`.

    An event with an `id` is the last of one step: a client that reconnects sends this id as `last_event_id`,
    and receives what follows, also from a replica where that id has not arrived yet. With the id of a source
    that is not here, such as a process that has ended, it receives the run from its beginning. Messages and
    calls have the ids under which they are stored: the beginning of one replaces what a client has of it.

    `model` names the model in the usage. Raises `ThreadNotFoundError`, and `LimitError` if the caller follows
    too many runs.
    """
    reader = await conversations.follow(caller, thread_id, last_event_id)
    if reader is None:
        return None
    run = reader.run
    position = reader.run.position_of(last_event_id)
    numbers = count(1)

    async def texts() -> AsyncIterator[str]:
        """The events after `position`, which the client has."""
        encoder = RunEncoder(
            thread_id,
            run.id,
            model=model,
            announced=run.announced,
            latest=run.id,
            new_id=lambda: f"{run.id}-{next(numbers)}",  # the same for every reader
        )
        if not position:
            yield server_sent(encoder.started())
        try:
            async for event in reader:
                events = encoder.event(event)
                if events and reader.position > position:
                    yield _identified(events, run, reader.position)
        except Exception as fault:  # noqa: BLE001 - as in `encoded`
            error = _agent_error(fault)
            is_end = isinstance(run.outcome, AgentError) and run.outcome.code is error.code
            end = run.end_position if is_end else None
            yield _identified(encoder.failed(error), run, end)

    return EventStream(texts(), reader.leave)


def _agent_error(error: Exception) -> AgentError:
    return error if isinstance(error, AgentError) else unexpected_error(error)


def _identified(events: list[Event], run: Run, position: int | None) -> str:
    """The events of one step, the last with an id."""
    if position is None:
        return server_sent(events)
    return server_sent(events[:-1]) + f"id: {run.event_id(position)}\n" + server_sent(events[-1:])
