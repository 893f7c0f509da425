"""A run of which no process shares all events: they are made of what is stored."""

import asyncio
from collections.abc import Awaitable, Callable, Iterator
from typing import Any, Final, cast

from langchain_core.messages import AIMessage, AnyMessage, ToolCall, ToolMessage

from agent.conversations.owned_thread import OwnedThread, RunKey
from agent.conversations.run_record import RunRecord
from agent.conversations.thread import Thread
from agent.conversations.threads import ThreadStore
from agent.errors.error_codes import AgentCode
from agent.runs.run import Cancelled, Finished, ModelMessages, Outcome, Paused, Run
from graph.events import DECLARED, AgentEvent, ToolFinished, ToolStarted, shown_arguments, shown_text
from identity.errors import LimitError, UnavailableError

POLL_SECONDS: Final = 1.0
_PART: Final = "stored-"


class StoredEvents:
    """The events that a run has shown, made of its messages, in their order: whole responses and calls."""

    def __init__(self) -> None:
        self._calls: dict[str, ToolCall] = {}

    def of(self, message: AnyMessage) -> Iterator[AgentEvent]:
        """The events of the next message."""
        if isinstance(message, AIMessage):
            reasoning = str(message.additional_kwargs.get("reasoning_content") or "")
            if message.id and (message.text or reasoning):
                yield {"type": "response_started", "message_id": message.id}
            if reasoning:
                yield {"type": "reasoning", "text": reasoning}
            if message.text:
                yield {"type": "content", "text": message.text}
            self._calls |= {str(call["id"]): call for call in message.tool_calls}
        elif isinstance(message, ToolMessage) and (call := self._calls.pop(message.tool_call_id, None)):
            report: dict[str, Any] = message.artifact if isinstance(message.artifact, dict) else {}
            about = {
                "tool": call["name"],
                "call_id": message.tool_call_id,
                "service": None,
                "access_identity": None,
                **{name: report[name] for name in DECLARED if report.get(name) is not None},
            }
            yield cast(
                ToolStarted, {"type": "tool_started", **about, "arguments": shown_arguments(call["args"])}
            )
            ended = {
                "ok": message.status == "success",
                "called": bool(report.get("called", True)),
                "duration_ms": int(report.get("duration_ms") or 0),
                "result": shown_text(message.text),
            }
            if report.get("error"):
                ended["error"] = report["error"]
            yield cast(ToolFinished, {"type": "tool_finished", **about, **ended})


class StoredRun(Run):
    """Whole responses and calls, as they are stored. While a reader waits for events, the store is read once
    a second. `Paused` is without what waits, which its reader reads from the store. Ends with `events_lost`
    if a message that was read is another one now: the database has gone back to an earlier state.
    """

    def __init__(
        self,
        threads: ThreadStore,
        thread: OwnedThread,
        run_id: str,
        *,
        sleep: Callable[[float], Awaitable[object]] = asyncio.sleep,
    ) -> None:
        """`run_id` is the latest run of `thread`."""
        key = RunKey(thread, run_id)
        super().__init__(f"{_PART}{key.run_id}", key)
        self.ended_at: float | None = None
        """When it ended, or began to wait, in unix seconds."""
        self._threads = threads
        self._sleep = sleep
        self._seen: Thread | None = None
        self._known: dict[int, str | None] = {}
        """By position, the ids of the messages that were read."""
        self._events = StoredEvents()
        self._of_model = ModelMessages()

    @staticmethod
    def made(event_id: str | None) -> bool:
        """Whether an event with this id is of a stored run. It has the same id in every process."""
        return event_id is not None and event_id.startswith(_PART)

    async def changed(self) -> None:
        """See `Run`. Raises what the store raises."""
        await self._sleep(POLL_SECONDS)
        await self.read()

    async def read(self) -> None:
        """Adds what was stored since the last time."""
        thread = await self._threads.get(self.key.thread)
        if thread == self._seen or self.outcome is not None:
            return
        self._seen = thread
        record = await self._threads.runs.get(self.key.thread, self.key.run_id)
        if record is None:
            self.conclude(Cancelled())
            return
        [messages] = await self._threads.runs.messages(self.key.thread.owner, [record])
        for stored in messages:
            if self._known.get(stored.seq, stored.message.id) != stored.message.id:
                text = "other messages have the places of lost ones"
                self.conclude(LimitError(AgentCode.EVENTS_LOST, text))
                return
        for stored in messages:
            if stored.seq not in self._known:
                self._known[stored.seq] = stored.message.id
                self._of_model.add([stored.message])
                for event in self._events.of(stored.message):
                    self.replay.add(event)
        if (outcome := self._end(record)) is not None:
            self.ended_at = record.changed_at
            self.conclude(outcome)

    def _end(self, record: RunRecord) -> Outcome | None:
        match record.state:
            case "working":
                return None
            case "completed":
                return Finished(finish_reason=self._of_model.finished().finish_reason)
            case "input_required" | "auth_required":
                return Paused(())
            case "canceled":
                return Cancelled()
        return UnavailableError(record.code, "the run failed in another process")
