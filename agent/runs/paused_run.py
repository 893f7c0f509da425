"""The approvals that a paused thread waits for, read from the checkpoint of its run."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from langchain_core.messages import AIMessage, AnyMessage

from agent.conversations.owned_thread import OwnedThread, RunKey
from agent.conversations.thread import Thread
from agent.runs.run_checkpoint import RunCheckpoint
from agent.runs.run_parts import RunParts
from graph.approvals.answer import AnswerReader
from graph.approvals.record import PendingApproval
from graph.approvals.request import pending_of
from graph.error_codes import GraphCode, invalid_approval
from identity.access_token.verified_access_token import VerifiedAccessToken
from identity.errors import ApprovalError
from identity.principal import Principal


@dataclass(frozen=True, slots=True)
class PausedRun:
    """The approvals that the run of a thread waits for."""

    thread: Thread
    waiting: tuple[PendingApproval, ...] = ()
    calls: Sequence[AnyMessage] = ()
    """The response of the model that has the waiting calls, and the results of its other calls."""

    @classmethod
    async def of(cls, parts: RunParts, thread: OwnedThread) -> "PausedRun":
        """Reads a thread, and its paused run. Unless it is paused, nothing waits."""
        stored = await parts.threads.get(thread)
        if stored.status != "paused" or stored.run_id is None:
            return cls(stored)
        checkpoint = RunCheckpoint(RunKey(thread, stored.run_id), parts.checkpoints, resumed=True)
        state = await parts.graph.copy({"checkpointer": checkpoint}).aget_state(checkpoint.config)
        waiting = tuple(pending_of(interrupt.value) for interrupt in state.interrupts)
        return cls(stored, waiting, _latest_calls(state.values.get("messages", ())))

    async def check(
        self, answers: Mapping[str, object], caller: VerifiedAccessToken, reader: AnswerReader
    ) -> None:
        """Raises `ApprovalError` unless every approval has an answer that fits, and there is no other answer;
        and what `reader` raises.
        """
        expected = {pending.request.id for pending in self.waiting}
        if not expected or answers.keys() != expected:
            text = f"{len(expected)} approvals are open, and {len(answers.keys() & expected)} answered"
            raise invalid_approval(text)
        for pending in self.waiting:
            await reader.read(answers[pending.request.id], pending, caller)


def _latest_calls(messages: Sequence[AnyMessage]) -> list[AnyMessage]:
    for position in range(len(messages) - 1, -1, -1):
        if isinstance(messages[position], AIMessage):
            return list(messages[position:])
    return []


async def check_open(
    parts: RunParts, principal: Principal, thread: Thread, approval_ids: Iterable[str]
) -> None:
    """Raises `ApprovalError` with the reason why one of the approvals cannot be answered."""
    for approval_id in approval_ids:
        state = await parts.approvals.get(approval_id, principal)
        if state is None or state.request.thread_id != thread.id:
            raise invalid_approval(f"approval {approval_id} is not of the thread")
        state.require_open(parts.clock())
    if thread.status == "running":
        raise answered_before()


def answered_before() -> ApprovalError:
    """The run goes on with another answer, which may not be decided yet."""
    return ApprovalError(GraphCode.APPROVAL_USED, "the run of the thread goes on with an earlier answer")
