"""The status of a task, from the record of its run: once the task has ended, always the same."""

from agent.api.a2a.members import Members, TaskState
from agent.api.a2a.task import ended_by, status_of, waiting
from agent.api.a2a.task_id import TaskId
from agent.conversations.run_record import RunRecord
from agent.runs.conversation_runs import Conversations
from agent.runs.stored_run import reason_of
from identity.access_token.verified_access_token import VerifiedAccessToken


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
