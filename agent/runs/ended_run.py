"""Ends runs that this process does not execute: that wait for an answer, or that another process executes."""

from langchain_core.messages import AnyMessage

from agent.conversations.run_record import RunEnd
from agent.conversations.thread import Thread
from agent.conversations.threads import ThreadStore
from agent.errors.error_codes import AgentCode
from agent.runs.run_parts import RunParts
from agent.runs.run_transcript import rest_of_stopped, results_of_ended
from graph.tool_calls.requested_calls import pending_tool_calls
from identity.errors import UnavailableError
from identity.principal import Principal


async def interruption(
    threads: ThreadStore, owner: str, thread_id: str, run_id: str
) -> UnavailableError | None:
    """The error of a run that another process has ended, because this one was silent; `None` if its user has
    cancelled it, or deleted the thread.
    """
    record = await threads.runs.get(owner, thread_id, run_id)
    if record is None or record.reason != AgentCode.RUN_INTERRUPTED:
        return None
    return UnavailableError(AgentCode.RUN_INTERRUPTED, "another process has ended the run of a silent one")


class EndedRuns:
    """Completes their transcripts, so that every call has a result."""

    def __init__(self, parts: RunParts) -> None:
        self._parts = parts

    async def end(self, owner: str, principal: Principal, thread: Thread, text: str) -> bool:
        """Ends the run of a thread that waits, or runs in another process. False if it has ended meanwhile.

        Calls that wait get the result `text`; of a run in another process, what its drafts have is kept.
        """
        if thread.run_id is None:
            return False
        await self._parts.approvals.withdraw(principal, thread.id, self._parts.clock())
        newest, shown = await self._parts.threads.drafted(owner, thread.id, thread.run_id)
        rest: list[AnyMessage]
        if thread.status == "paused":
            rest = results_of_ended(pending_tool_calls(newest), text)
        else:
            rest = rest_of_stopped(newest, shown)
        end = RunEnd("canceled", AgentCode.RUN_CANCELLED.value)
        ended = await self._parts.threads.end_run(owner, thread.id, thread.run_id, "idle", rest, end)
        await self._parts.checkpoints.delete(owner, thread.id, thread.run_id)
        return ended
