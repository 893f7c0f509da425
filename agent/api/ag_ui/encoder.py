"""The events of a run in AG-UI's form, in the order that AG-UI's clients verify.

`RUN_STARTED` is the first event. Before `RUN_FINISHED` everything is closed that is open. A tool call is sent
with its whole arguments when it begins, so calls that run at the same time do not interleave.
"""

import uuid
from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Any, Final

from langchain_core.messages import AnyMessage, ToolCall

from agent.api.ag_ui.interrupts import consent_required, interrupt_of, on_interrupt
from agent.api.ag_ui.messages import to_ag_ui
from agent.api.ag_ui.open_message import OpenMessage
from agent.api.ag_ui.outcome import run_cancelled, run_error, state, usage_of
from agent.api.ag_ui.tool_call_events import call_announced, call_finished, call_started
from agent.api.ag_ui.wire import METADATA_KEY, PROTOCOL_VERSION, Event
from agent.runs.run import Finished, Paused
from graph.events import AgentEvent
from identity.errors import AgentError


class RunEncoder:
    """Encodes one run. Call `started` first, then `event` for each event, then one of the others, once."""

    def __init__(
        self,
        thread_id: str,
        run_id: str,
        *,
        model: str | None = None,
        announced: Collection[str] = (),
        new_id: Callable[[], str] = lambda: uuid.uuid4().hex,
    ) -> None:
        """`thread_id` and `run_id` are the client's. `model` names the model of the usage.

        `announced` are the ids of calls that an earlier run has sent: only their results are sent.
        `new_id` makes the id of a message that has none.
        """
        self._run: Final = {"threadId": thread_id, "runId": run_id}
        self._thread_id = thread_id
        self._model = model
        self._earlier: dict[str, Mapping[str, Any] | None] = dict.fromkeys(announced)
        self._sent = set(announced)
        self._message = OpenMessage(new_id)
        self._steps: list[str] = []

    def started(self) -> list[Event]:
        """The beginning of the run."""
        return [{"type": "RUN_STARTED", **self._run, "protocolVersion": PROTOCOL_VERSION}]

    def event(self, event: AgentEvent) -> list[Event]:
        """An event of the graph."""
        match event["type"]:
            case "content":
                return self._message.text(event["text"])
            case "reasoning":
                return self._message.reasoning(event["text"])
            case "response_started":
                return self._message.begin(event["message_id"])
            case "tool_started":
                if event["call_id"] in self._earlier:
                    self._earlier[event["call_id"]] = event["arguments"]
                    return self._message.close()
                self._sent.add(event["call_id"])
                return [*self._message.close(), *call_started(event, self._message.id)]
            case "tool_finished":
                return [*self._message.close(), call_finished(event, self._earlier.get(event["call_id"]))]
            case "consent_required":
                return [*self._message.close(), consent_required(event)]
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
        return [*self._closed(), state(self._thread_id, "idle"), finished]

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

    def nothing_new(self, messages: Sequence[AnyMessage] | None, status: str) -> list[Event]:
        """In place of a run: the conversation, to which the client has added nothing."""
        return [*self._snapshots(messages, status), self._finished({"type": "success"}, {})]

    def failed(self, error: AgentError) -> list[Event]:
        """The end of a run that failed. It is also logged for operators."""
        return [run_error(error)]

    def cancelled(self) -> list[Event]:
        """The end of a run that another request has cancelled."""
        return [run_cancelled()]

    def _closed(self) -> list[Event]:
        """Closes everything that is open, as the end of a run requires."""
        steps: list[Event] = [{"type": "STEP_FINISHED", "stepName": step} for step in reversed(self._steps)]
        self._steps.clear()
        return [*self._message.close(), *steps]

    def _announcements(self, end: Paused) -> list[Event]:
        """The call that waits, and the others of the same message: an answer continues the run without
        sending them again.
        """
        pending, response = end.pending[0], end.response
        if response is None:
            name, call_id = pending.request.tool, pending.request.call_id
            calls = [ToolCall(name=name, args={}, id=call_id)]
        else:
            calls = response.tool_calls
        parent = self._message.id if response is None else response.id
        return [
            event
            for call in calls
            if call["id"] not in self._sent
            for event in call_announced(call, parent, pending)
        ]

    def _snapshots(self, messages: Sequence[AnyMessage] | None, status: str) -> list[Event]:
        shown: list[Event] = []
        if messages is not None:
            shown.append({"type": "MESSAGES_SNAPSHOT", "messages": to_ag_ui(messages)})
        return [*shown, state(self._thread_id, status)]

    def _finished(self, outcome: Event, usage: Event, **members: object) -> Event:
        return {"type": "RUN_FINISHED", **self._run, "outcome": outcome, **usage, **members}
