"""Ends runs that this process does not execute: their process has stopped, or they wait for a person."""

import logging
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

from langchain_core.messages import AnyMessage

from agent.background import Background
from agent.conversations.owned_thread import OwnedThread, RunKey
from agent.conversations.run_record import RunEnd
from agent.conversations.run_transcript import MAY_HAVE_EFFECT, partial_output, results_of_cancelled
from agent.conversations.thread import Thread
from agent.conversations.threads import ThreadStore
from agent.errors.error_codes import AgentCode
from agent.runs.drafts import Drafts
from agent.runs.live_run import LiveRuns
from agent.runs.run_parts import RunParts
from agent.runs.stored_ends import StoredEnds
from graph.approvals.record import ApprovalKind
from graph.tool_calls.requested_calls import pending_tool_calls
from identity.access_token.verified_access_token import VerifiedAccessToken
from identity.errors import UnavailableError

_LOG: Final = logging.getLogger("idaas_agent.conversations")
BEAT_SECONDS: Final = 3.0
SILENT_SECONDS: Final = 9.0
"""A process without a heartbeat for so long is considered stopped. Its runs can then be continued."""


@dataclass(slots=True)
class Heartbeat(Background):
    """Waits until there is a database, and creates none.

    Silence is measured by the clock of the process that observes it, so that clocks may differ. After a gap
    in its own heartbeats, such as a time without the database, a process begins to observe anew: the others
    may have had the same gap.
    """

    parts: RunParts
    live: LiveRuns
    drafts: Drafts
    ends: StoredEnds
    _last: float = field(init=False, default=float("-inf"))
    """When the last heartbeat was."""
    _observed: dict[tuple[str, float | None], float] = field(init=False, default_factory=dict)
    """Each other process, and when it was seen last, by its clock: since when that is known, by ours."""

    async def beat(self) -> None:
        """Records that this process lives, stores the ends of its runs that could not be stored or that the
        database has lost, ends those that another process has ended, and completes the transcripts of runs
        whose process stopped.
        """
        if not await self.parts.threads.exist():
            return
        threads = self.parts.threads
        now = self.parts.clock()
        process_id = self.parts.process_id
        executed = self.live.ids()
        unstored = {run.id for run in self.live.unstored()}
        stored = self.ends.ids()
        await threads.processes.heartbeat(process_id, executed | unstored | stored)
        if lost := await self._store_ends():
            await self.drafts.write(0)
        if ended := lost | self.live.unbegun():
            await threads.processes.interrupt(process_id, ended)
        self.drafts.keep(self.live.ids() | {run.id for run in self.live.unstored()})
        in_progress = await threads.processes.runs_of(process_id) if executed | stored else set()
        await self.ends.store_lost(stored & in_progress)
        if taken := executed - in_progress:
            for live in self.live.with_ids(taken):
                if (error := await interruption(threads, live.key)) is None:
                    live.cancel()
                else:
                    live.end(error)
        for silent, seen_at in self._silent(now, await threads.processes.executing(process_id)):
            await threads.processes.interrupted_of(silent, seen_at)

    async def _store_ends(self) -> set[str]:
        """Stores what could not be stored. Returns the ids of the runs whose ends cannot be stored at all."""
        lost: set[str] = set()
        for run in self.live.unstored():
            try:
                if not await run.store_end():
                    break  # the others wait until the store is back
            except Exception as error:  # noqa: BLE001 - one run must not keep others from being stored
                _LOG.warning("the end of a run cannot be stored (%s)", type(error).__name__)
                run.give_up_end()
                lost.add(run.id)
        return lost

    def _silent(self, now: float, seen: Mapping[str, float | None]) -> list[tuple[str, float | None]]:
        """The processes that have been silent for too long, with the time at which they were seen last."""
        before = self._observed if abs(now - self._last) <= 2 * BEAT_SECONDS + 1 else {}
        self._last = now
        self._observed = {process: before.get(process, now) for process in seen.items()}
        return [process for process, since in self._observed.items() if now - since >= SILENT_SECONDS]

    async def _work(self) -> None:
        while True:
            await self._attempt(self.beat(), "the heartbeat of runs failed")
            await self.sleep(BEAT_SECONDS)


async def interruption(threads: ThreadStore, run: RunKey) -> UnavailableError | None:
    """The error of a run that is not its thread's any more: another process has ended it, because this one
    was silent, or a database that was replaced has lost its beginning. `None` if its user has cancelled it,
    or deleted the thread.
    """
    record = await threads.runs.get(run.thread, run.run_id)
    if record is not None:
        if record.reason != AgentCode.RUN_INTERRUPTED:
            return None
        return UnavailableError(
            AgentCode.RUN_INTERRUPTED, "another process has ended the run of a silent one"
        )
    if run.run_id in await threads.runs.of_deleted(run.thread.owner, run.thread_id, 0.0):
        return None
    return UnavailableError(AgentCode.CONVERSATIONS_UNAVAILABLE, "the database has lost the run")


async def end_run_elsewhere(parts: RunParts, caller: VerifiedAccessToken, thread: Thread, text: str) -> bool:
    """Ends the run of a thread of `caller` that waits, or that another process executes. False if it has
    ended meanwhile.

    Completes the transcript, so that every call has a result: `text` for calls that wait to be made.
    The drafts of a run in another process are kept in it.
    """
    if thread.run_id is None:
        return False
    principal = caller.principal
    run = RunKey(OwnedThread.of(caller, thread.id), thread.run_id)
    waiting = await parts.approvals.pending(principal, thread.id)
    begun = {state.request.call_id for state in waiting if state.request.kind is ApprovalKind.ELICITATION}
    await parts.approvals.withdraw(principal, thread.id, parts.clock())
    newest, drafts = await parts.threads.drafted(run)
    rest: list[AnyMessage]
    if thread.status == "paused":
        texts = dict.fromkeys(begun, MAY_HAVE_EFFECT)
        rest = results_of_cancelled(pending_tool_calls(newest), lambda call_id: texts.get(call_id, text))
    else:
        rest = partial_output(newest, drafts)
    end = RunEnd("canceled", AgentCode.RUN_CANCELLED.value)
    return await parts.threads.end_run(run, "idle", rest, end)
