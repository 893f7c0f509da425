"""The events of a run as A2A's stream: the task, then what changes of it.

A client receives which tools were called and under whose rights, in the metadata of a status; their
arguments, their results and the model's reasoning stay in the agent.
"""

import time
import uuid
from collections.abc import Callable, Iterable, Mapping
from typing import Final

from agent.errors.error_codes import AgentCode
from agent.errors.error_response import reported_body
from agent.runs.run import Cancelled, Finished, Paused, RunEvent
from graph.events import ConsentRequired, Notice, ServicesUnavailable, ToolFinished, ToolProgress, ToolStarted
from graph.models.response import CUT_OFF
from identity.errors import AgentError
from plugins.a2a.members import Members, TaskState, about
from plugins.a2a.task import TaskId, artifact, ended_by, status_of, task, waiting

_CALL: Final = (
    *("type", "tool", "service", "access_identity", "credential_kind", "call_id"),
    *("ok", "called", "duration_ms", "error", "url", "progress", "message"),
    *("services", "code", "text", "values"),
)


class TaskEncoder:
    """Encodes one run, and keeps the task as its events leave it."""

    def __init__(
        self,
        task_id: TaskId,
        history: Iterable[Members] = (),
        *,
        earlier: Mapping[str, str] | None = None,
        clock: Callable[[], float] = time.time,
        new_id: Callable[[], str] = lambda: uuid.uuid4().hex,
    ) -> None:
        """`earlier` are responses before the first event: their texts by the ids of the messages.

        `new_id` makes the id of a response that has none.
        """
        self._id: Final = task_id
        self._named: Final = {"taskId": str(task_id), "contextId": task_id.context_id}
        self._history: Final = list(history)
        self._clock: Final = clock
        self._new_id: Final = new_id
        self._texts: Final = {name: [text] for name, text in (earlier or {}).items()}
        self._message_id: str | None = None
        self._open = False
        self._status = status_of(TaskState.WORKING, clock())
        self._metadata: Members = {}
        """The metadata of the task: why its response is not whole, the services that were unavailable, and
        what its user should know.
        """

    def task(self) -> Members:
        """The task now."""
        texts = {name: "".join(pieces) for name, pieces in self._texts.items()}
        artifacts = [artifact(name, text) for name, text in texts.items() if text]
        metadata = about(**self._metadata) if self._metadata else {}
        return task(self._id, self._status, self._history, artifacts) | metadata

    def event(self, event: RunEvent) -> list[Members]:
        """An event of the run, or its end."""
        if isinstance(event, Finished):
            usage = {"input_tokens": event.usage.input_tokens, "output_tokens": event.usage.output_tokens}
            if event.finish_reason in CUT_OFF:
                self._metadata["finish_reason"] = event.finish_reason
            metadata = about(finish_reason=event.finish_reason, usage=usage)
            return self._ended(status_of(TaskState.COMPLETED, self._clock()), metadata)
        if isinstance(event, Paused):
            return self._ended(waiting(self._id, event.pending[0], self._clock()))
        if isinstance(event, Cancelled):
            code = AgentCode.RUN_CANCELLED
            return self._ended(self._early(TaskState.CANCELED, code.row.for_person(), code.value))
        match event["type"]:
            case "content":
                return [self._piece(event["text"])]
            case "response_started":
                closed = self._closed()
                self._message_id = event["message_id"]
                return closed
            case "tool_started" | "tool_progress" | "tool_finished" | "consent_required":
                return [*self._closed(), self._call(event)]
            case "services_unavailable":
                named = self._metadata.get("services_unavailable", {})
                self._metadata["services_unavailable"] = named | event["services"]
                return [*self._closed(), self._call(event)]
            case "notice":
                told = {name: value for name, value in event.items() if name != "type"}
                self._metadata["notices"] = [*self._metadata.get("notices", ()), told]
                return [*self._closed(), self._call(event)]
        return []

    def failed(self, error: AgentError) -> list[Members]:
        """The end of a run that failed. It is also logged for operators."""
        body = reported_body(error)["error"]
        named = {name: body[name] for name in ("request_id", "service") if body.get(name)}
        return self._ended(self._early(TaskState.FAILED, body["message"], body["code"], **named))

    def _early(self, state: TaskState, text: str, code: str, **members: object) -> Members:
        return ended_by(state, self._id, text, self._clock(), code, **members)

    def _piece(self, text: str) -> Members:
        message_id = self._message_id = self._message_id or self._new_id()
        pieces = self._texts.setdefault(message_id, [])
        pieces.append(text)
        self._open = True
        return self._artifact_update(artifact(message_id, text), append=len(pieces) > 1)

    def _closed(self) -> list[Members]:
        """Marks the artifact that is open as complete: an empty piece of text, its last."""
        if not self._open or self._message_id is None:
            return []
        self._open = False
        last = self._artifact_update(artifact(self._message_id, ""), append=True)
        last["artifactUpdate"]["lastChunk"] = True
        return [last]

    def _call(
        self,
        event: ToolStarted | ToolProgress | ToolFinished | ConsentRequired | ServicesUnavailable | Notice,
    ) -> Members:
        call = {name: value for name, value in event.items() if name in _CALL}
        self._status = status_of(TaskState.WORKING, self._clock())
        return self._status_update(about(**call))

    def _ended(self, status: Members, metadata: Members | None = None) -> list[Members]:
        closed = self._closed()
        self._status = status
        return [*closed, self._status_update(metadata or {})]

    def _artifact_update(self, piece: Members, *, append: bool) -> Members:
        update: Members = {**self._named, "artifact": piece}
        if append:
            update["append"] = True
        return {"artifactUpdate": update}

    def _status_update(self, metadata: Members) -> Members:
        return {"statusUpdate": {**self._named, "status": self._status, **metadata}}
