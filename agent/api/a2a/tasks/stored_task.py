"""A task as it is stored, with the run of this process if it has one."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from langchain_core.messages import AIMessage, AnyMessage

from agent.api.a2a.tasks.task import artifacts_of, ended_by, history_of, status_of, task, waiting
from agent.api.a2a.tasks.task_id import TaskId
from agent.api.a2a.wire.members import Members, TaskState
from agent.api.a2a.wire.rpc_error import task_not_found
from agent.conversations.conversation_runs import Conversations
from agent.conversations.live.live_run import LiveRun
from agent.conversations.runs.run_transcript import UNFINISHED
from agent.conversations.store.thread import StoredMessage, Thread, owner_of
from agent.errors.error_codes import AgentCode
from graph.error_codes import GraphCode
from identity.access_token.verified_access_token import VerifiedAccessToken
from identity.error_code import ErrorCode
from identity.errors import AgentError, ThreadNotFoundError

MAX_MESSAGES: Final = 1_000
"""Of one task, the newest. A run that the limits allow has fewer."""


@dataclass(frozen=True, slots=True)
class StoredTask:
    """What is known of a task of one caller. `live` is its run in this process, or the one that has ended a
    moment ago.
    """

    id: TaskId
    thread: Thread
    live: LiveRun | None
    stored: Sequence[StoredMessage]

    @classmethod
    async def read(
        cls, conversations: Conversations, task_id: TaskId, caller: VerifiedAccessToken
    ) -> "StoredTask":
        """Raises `RpcError` (`TASK_NOT_FOUND`), also for another user's task."""
        owner, threads = owner_of(caller.principal), conversations.threads
        try:
            thread = await threads.get(owner, task_id.context_id)
            stored = await threads.messages_of_run(owner, thread.id, task_id.run_id, limit=MAX_MESSAGES)
        except ThreadNotFoundError:
            raise task_not_found() from None
        live = conversations.live.latest(owner, thread.id)
        live = live if live is not None and live.id == task_id.run_id else None
        if not stored and live is None and thread.run_id != task_id.run_id:
            raise task_not_found()
        return cls(task_id, thread, live, stored)

    @property
    def messages(self) -> list[AnyMessage]:
        """Those that the task's run has added so far."""
        return [each.message for each in self.stored]

    @property
    def running(self) -> LiveRun | None:
        """The run, while this process executes it."""
        return self.live if self.live is not None and self.live.outcome is None else None

    async def members(self, conversations: Conversations, caller: VerifiedAccessToken) -> Members:
        """The task as an object."""
        status = await self._status(conversations, caller)
        if status is None:
            return await (await self.read(conversations, self.id, caller)).members(conversations, caller)
        return task(self.id, status, history_of(self.id, self.messages), artifacts_of(self.messages))

    async def _status(self, conversations: Conversations, caller: VerifiedAccessToken) -> Members | None:
        """`None` if the task has changed since it was read."""
        thread, at = self.thread, self.stored[-1].created_at if self.stored else self.thread.updated_at
        if self.running is not None:
            return status_of(TaskState.WORKING, at)
        if thread.run_id != self.id.run_id:
            if _is_complete(self.messages):
                return status_of(TaskState.COMPLETED, at)
            return self._early(TaskState.CANCELED, AgentCode.RUN_CANCELLED, at)
        if thread.status == "running":
            return status_of(TaskState.WORKING, at)
        if thread.status == "paused":
            if pending := await conversations.pending(caller, thread.id):
                return waiting(self.id, pending[0], thread.updated_at)
            if await conversations.threads.get(owner_of(caller.principal), thread.id) != thread:
                return None
            return self._early(TaskState.CANCELED, GraphCode.APPROVAL_EXPIRED, thread.updated_at)
        outcome = self.live.outcome if self.live is not None else None
        code = outcome.code if isinstance(outcome, AgentError) else AgentCode.RUN_INTERRUPTED
        return self._early(TaskState.FAILED, code, thread.updated_at)

    def _early(self, state: TaskState, code: ErrorCode, at: float) -> Members:
        return ended_by(state, self.id, code.row.for_person(), at, code.value)


def _is_complete(messages: Sequence[AnyMessage]) -> bool:
    """Whether a run that has ended has responded. One that has not was cancelled, or failed before the
    conversation went on.
    """
    last = messages[-1] if messages else None
    return (
        isinstance(last, AIMessage)
        and not last.tool_calls
        and last.response_metadata.get("finish_reason") != UNFINISHED
    )
