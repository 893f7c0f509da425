"""The work of a live run: the graph on a thread, and the transcript of what it does."""

import asyncio
import copy
import logging
from collections.abc import AsyncGenerator, Awaitable, Callable, Sequence
from contextlib import aclosing
from functools import partial
from typing import Any, Final, cast

from langchain_core.messages import AIMessage, AnyMessage
from langgraph.graph.message import add_messages
from langgraph.types import Interrupt

from agent.conversations.run_record import RunEnd, RunState
from agent.conversations.run_transcript import RunTranscript
from agent.conversations.thread import ThreadStatus
from agent.errors.error_codes import AgentCode
from agent.runs.drafts import Drafts
from agent.runs.heartbeat import interruption
from agent.runs.live_run import LiveRun
from agent.runs.run import Cancelled, Finished, ModelMessages, Outcome, Paused
from agent.runs.run_checkpoint import RunCheckpoint
from agent.runs.run_parts import RunParts, RunRequest, RunStart
from agent.runs.stored_ends import StoredEnds
from graph.answer_form import AnswerForm
from graph.approvals.request import pending_of
from graph.call_steps.once import BegunInRun
from graph.context import AgentContext, release
from graph.events import AgentEvent
from graph.extensions import Extensions
from graph.files import RunFiles
from graph.labels.run_labels import RunLabels
from identity.errors import AgentError, ThreadBusyError, ThreadNotFoundError

_LOG: Final = logging.getLogger("idaas_agent.conversations")
INTERRUPT: Final = "__interrupt__"
"""In LangGraph's stream, the key of the interrupts of a step, in place of a node's name."""


class ThreadRun:
    """Runs the graph on one thread, and appends each message to the transcript when its node has ended.

    The transcript is complete however the run ends: every call has a result.
    """

    def __init__(
        self,
        parts: RunParts,
        run: RunRequest,
        begin: Callable[[], Awaitable[RunStart]],
        drafts: Drafts,
        ends: StoredEnds,
    ) -> None:
        """`begin` begins the run in the store of threads. If it raises, the run has not begun."""
        self._parts = parts
        self._run = run
        self._begin = begin
        self._drafts = drafts
        self._ends = ends
        self._begun: RunStart | None = None
        self._last: Sequence[AnyMessage] = ()
        """The response that ends the run: it is stored with the end."""
        self._unstored: Sequence[AnyMessage] = ()
        """Messages that may not have been stored: the database failed."""
        self._stored: list[AnyMessage] = []
        """Messages of this run that were stored. The database may have lost them since."""
        self._change: int | None = None
        """The number of the latest change of the thread by this run; `None`: it has only begun."""

    async def run(self, live: LiveRun) -> Finished | Paused:
        """See `Work`. Raises what `begin`, the graph and the store raise."""
        begun = await self._beginning()
        self._draft = self._drafts.begin(self._run.key)
        earlier_calls = [call for message in begun.earlier for call in getattr(message, "tool_calls", ())]
        live.begin(str(call["id"]) for call in earlier_calls)
        of_model = ModelMessages()
        interrupts: Sequence[Interrupt] = ()
        context = self._context(begun, live)
        try:
            async with aclosing(self._stream(begun, context)) as updates:
                async for updated in updates:
                    for node, update in updated.items():
                        if node == INTERRUPT:
                            interrupts = update
                        elif messages := (update or {}).get("messages"):
                            await self._append(messages)
                            of_model.add(messages)
        finally:
            release(context)
        if not interrupts:
            return of_model.finished(context.extensions.get(AnswerForm))
        await self._checkpoint.save()
        pending = [pending_of(interrupt.value) for interrupt in interrupts]
        as_shown = await self._parts.shown(pending, self._run.caller)
        return Paused(as_shown, of_model.usage, self._transcript.response)

    async def close(self, outcome: Outcome) -> Outcome:
        if self._begun is None:
            return outcome
        threads = self._parts.threads
        approvals = self._parts.approvals
        run = self._run
        last = [*self._last]
        cut_off = not isinstance(outcome, Finished | Paused)
        if cut_off:
            last += self._transcript.remainder()
        status, end = _end(outcome)
        here = self._parts.process_id
        missing = await self._missing() if self._unstored else []
        stored = [*missing, *last], end, self._read
        ended = await threads.end_run(run.key, status, *stored, self._change, here)
        if not ended and await self._is_in_progress():
            stored = [*await self._missing(), *last], end, self._read
            ended = await threads.end_run(run.key, status, *stored, self._change, here)
        self._drafts.end(run.key.run_id)
        if cut_off and ended:  # else the approvals are those of the run that has taken the thread over
            await approvals.withdraw(run.caller.principal, run.key.thread_id, self._parts.clock())
        if not cut_off and not ended:  # the answer is not stored: its reader must not take it for complete
            return await self._taken_over() or Cancelled()
        if isinstance(outcome, Finished):
            self._ends.keep(run.key, [*self._stored, *last], self._read)
        return outcome

    async def _beginning(self) -> RunStart:
        """Begins to the end, also if the run is cancelled meanwhile: then it has begun, and is closed."""
        beginning = asyncio.ensure_future(self._begin())
        beginning.add_done_callback(self._note_begun)
        try:
            return await asyncio.shield(beginning)
        except asyncio.CancelledError:
            await asyncio.wait({beginning})
            raise

    def _note_begun(self, beginning: asyncio.Future[RunStart]) -> None:
        if beginning.cancelled() or beginning.exception() is not None:
            return
        self._begun = begun = beginning.result()
        store = self._parts.checkpoints
        self._checkpoint = RunCheckpoint(self._run.key, store, resumed=begun.input is None)
        self._transcript = RunTranscript(begun.earlier)
        self._read = dict(begun.read)
        """The labels of what the conversation has read."""

    async def _append(self, messages: Sequence[AnyMessage]) -> None:
        self._transcript.add(messages)
        # A node of an own graph may follow the response that would have been the last, or change it.
        messages = add_messages([*self._last], [*messages])  # type: ignore[assignment, arg-type]  # its types are wider
        self._last = ()
        if isinstance(messages[-1], AIMessage) and not messages[-1].tool_calls:
            self._last = messages
            return
        self._unstored = messages
        append = self._parts.threads.append
        try:
            self._change = await append(self._run.key, messages, self._read, self._change)
        except ThreadBusyError:
            if not await self._is_in_progress():
                raise await self._taken_over() or asyncio.CancelledError from None
            missing = await self._missing()
            self._change = await append(self._run.key, missing, self._read, self._change)
        self._unstored = ()
        self._stored += messages
        self._draft.stored(messages)

    async def _is_in_progress(self) -> bool:
        """Whether the run is its thread's, after a change was refused: then the thread's latest change is not
        the run's. A standby has taken over that lacks what was stored, or a change was stored although it
        failed.
        """
        key = self._run.key
        try:
            thread = await self._parts.threads.get(key.thread)
        except ThreadNotFoundError:
            return False
        self._change = thread.change
        return thread.status == "running" and thread.run_id == key.run_id

    def _taken_over(self) -> Awaitable[AgentError | None]:
        """See `interruption`."""
        return interruption(self._parts.threads, self._run.key)

    async def _missing(self) -> Sequence[AnyMessage]:
        """The messages of the run that are not stored, or not any more."""
        produced = [*self._stored, *self._unstored]
        try:
            missing = await self._parts.threads.missing(self._run.key, produced)
        except ThreadNotFoundError:  # deleted meanwhile
            return []
        if lost := [message for message in missing if message not in self._unstored]:
            _LOG.warning("the database has lost %d messages of a run: they are stored again", len(lost))
        return missing

    def _context(self, begun: RunStart, live: LiveRun) -> AgentContext:
        run = self._run
        files = self._parts.threads.files

        def write(event: AgentEvent) -> None:
            self._transcript.note(event)
            self._draft.note(event)
            live.emit(event)

        records = (
            RunLabels(self._read),
            BegunInRun(self._transcript.begun_calls),
            RunFiles(partial(files.read, run.key.thread), partial(files.keep, run.key)),
        )
        return AgentContext(
            access_token=run.caller.token,
            streaming=run.streaming,
            steps=run.streaming,
            thread_id=run.key.thread_id,
            answers=begun.answers,
            writer=write,
            extensions=Extensions(*run.requested, *records),
        )

    def _stream(self, begun: RunStart, context: AgentContext) -> AsyncGenerator[dict[str, Any]]:
        graph = copy.copy(self._parts.graph)  # its own `copy` validates the whole graph again
        graph.checkpointer = self._checkpoint
        stream = graph.astream(
            begun.input,
            {"callbacks": [], **self._checkpoint.config},
            context=context,
            stream_mode="updates",
            durability="exit",
        )
        return cast(AsyncGenerator[dict[str, Any]], stream)


def _end(outcome: Outcome) -> tuple[ThreadStatus, RunEnd]:
    match outcome:
        case Paused():
            first = outcome.pending[0].request
            until = max(approval.request.expires_at for approval in outcome.pending)
            state: RunState = "input_required" if first.kind.is_input else "auth_required"
            return "paused", RunEnd(state, None, until)
        case Finished():
            return "idle", RunEnd("completed")
        case Cancelled():
            return "idle", RunEnd("canceled", AgentCode.RUN_CANCELLED.value)
    status: ThreadStatus = "interrupted" if outcome.code is AgentCode.SHUTTING_DOWN else "failed"
    return status, RunEnd("failed", outcome.code.value)
