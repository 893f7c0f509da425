"""A task as it is stored."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from langchain_core.messages import AnyMessage

from agent.api.a2a.members import Members, TaskState
from agent.api.a2a.rpc_error import task_not_found
from agent.api.a2a.task import TaskId, artifacts_of, cut_off, ended_by, history_of, status_of, task, waiting
from agent.conversations.run_record import RunRecord
from agent.conversations.thread import StoredMessage, owner_of
from agent.runs.conversation_runs import Conversations
from agent.runs.stored_run import reason_of
from graph.error_codes import GraphCode
from identity.access_token.verified_access_token import VerifiedAccessToken

MAX_MESSAGES: Final = 1_000
"""The newest messages of one task. A run within the limits has fewer."""


def state_of(record: RunRecord) -> TaskState:
    """The state of the task."""
    return TaskState[record.state.upper()]


async def recorded_status(
    conversations: Conversations, task_id: TaskId, record: RunRecord, caller: VerifiedAccessToken
) -> Members | None:
    """The status of a task; `None` if it has changed since `record` was read."""
    state, at = state_of(record), record.changed_at
    if state.waits:
        pending = await conversations.pending(caller, record.thread_id)
        return waiting(task_id, pending[0], at) if pending else None
    if state in (TaskState.WORKING, TaskState.COMPLETED):
        return status_of(state, at)
    code = reason_of(record)
    return ended_by(state, task_id, code.row.for_person(), at, code.value)


@dataclass(frozen=True, slots=True)
class StoredTask:
    """A task of one caller."""

    id: TaskId
    record: RunRecord
    stored: Sequence[StoredMessage]

    @classmethod
    async def read(
        cls, conversations: Conversations, task_id: TaskId, caller: VerifiedAccessToken
    ) -> "StoredTask":
        """Raises `RpcError` (`TASK_NOT_FOUND`), also for another user's task."""
        owner, threads = owner_of(caller.principal), conversations.threads
        record = await threads.runs.get(owner, task_id.context_id, task_id.run_id)
        if record is None:
            raise task_not_found()
        [stored] = await threads.runs.messages(owner, [record], limit=MAX_MESSAGES)
        return cls(task_id, record, stored)

    @property
    def messages(self) -> list[AnyMessage]:
        """The messages that the run of the task has added so far."""
        return [each.message for each in self.stored]

    @property
    def ended(self) -> bool:
        """Whether the task has ended: then it is not followed, whatever its run still does."""
        return state_of(self.record).ended

    async def members(self, conversations: Conversations, caller: VerifiedAccessToken) -> Members:
        """The task as an object."""
        status = await recorded_status(conversations, self.id, self.record, caller)
        if status is None:
            again = await self.read(conversations, self.id, caller)
            if again.record != self.record:
                return await again.members(conversations, caller)
            code, at = GraphCode.APPROVAL_EXPIRED, self.record.changed_at
            status = ended_by(TaskState.CANCELED, self.id, code.row.for_person(), at, code.value)
        members = task(self.id, status, history_of(self.id, self.messages), artifacts_of(self.messages))
        last = self.messages[-1] if self.messages else None
        return members | cut_off(last and last.response_metadata.get("finish_reason"))
