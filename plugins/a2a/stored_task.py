"""Tasks as they are stored: one, and the pages of `ListTasks`, which are runs of all conversations."""

import re
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from langchain_core.messages import AnyMessage

from agent.conversations.owned_thread import ThreadOwner
from agent.conversations.run_record import RunQuery, RunRecord
from agent.conversations.thread import is_thread_id
from agent.runs.conversation_runs import Conversations
from graph.error_codes import GraphCode
from identity.access_token.verified_access_token import VerifiedAccessToken
from identity.errors import ThreadNotFoundError
from plugins.a2a.a2a_error import A2AError, invalid_params, task_not_found
from plugins.a2a.members import Members, TaskState
from plugins.a2a.parameters import ListParams
from plugins.a2a.task import (
    TaskId,
    artifacts_of,
    cut_off,
    ended_by,
    history_of,
    status_of,
    task,
    waiting,
    with_history,
)

_PAGE: Final = 50
"""Tasks of a page, unless the client says how many."""
_MESSAGES: Final = 500
"""Messages of the tasks of a page with artifacts. Above it, the page has fewer tasks, as A2A allows."""
_TIME: Final = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{1,9})?(Z|[+-]\d\d:\d\d)", re.ASCII)
_NO_STATE: Final = (None, "TASK_STATE_UNSPECIFIED")


@dataclass(frozen=True, slots=True)
class StoredTask:
    """A task of one caller."""

    record: RunRecord
    messages: Sequence[AnyMessage]
    """The messages that the run of the task has added so far."""

    @classmethod
    async def read(
        cls, conversations: Conversations, task_id: str, caller: VerifiedAccessToken
    ) -> "StoredTask":
        """Raises `A2AError` (`TASK_NOT_FOUND`), also for another user's task."""
        owner = ThreadOwner.of(caller)
        runs = conversations.threads.runs
        named = TaskId.read(task_id)
        record = await runs.get(owner.thread(named.context_id), named.run_id)
        if record is None:
            raise task_not_found()
        [stored] = await runs.messages(owner, [record])
        return cls(record, [message.message for message in stored])

    @property
    def id(self) -> TaskId:
        """The id of the task."""
        return TaskId(self.record.thread_id, self.record.run_id)

    @property
    def state(self) -> TaskState:
        """The state of the task."""
        return TaskState[self.record.state.upper()]

    async def members(self, conversations: Conversations, caller: VerifiedAccessToken) -> Members:
        """The task as an object."""
        status = await self._status(conversations, caller)
        if status is None:
            again = await self.read(conversations, str(self.id), caller)
            if again.record != self.record:
                return await again.members(conversations, caller)
            code = GraphCode.APPROVAL_EXPIRED
            at = self.record.changed_at
            status = ended_by(TaskState.CANCELED, self.id, code.row.for_person(), at, code.value)
        members = task(self.id, status, history_of(self.id, self.messages), artifacts_of(self.messages))
        last = self.messages[-1] if self.messages else None
        return members | cut_off(last and last.response_metadata.get("finish_reason"))

    async def _status(self, conversations: Conversations, caller: VerifiedAccessToken) -> Members | None:
        """`None` if it has changed since the record was read."""
        state = self.state
        code = self.record.code
        at = self.record.changed_at
        if state.waits:
            pending = await conversations.pending(caller, self.record.thread_id)
            return waiting(self.id, pending[0], at) if pending else None
        if state in (TaskState.WORKING, TaskState.COMPLETED):
            return status_of(state, at)
        return ended_by(state, self.id, code.row.for_person(), at, code.value)


async def task_list(conversations: Conversations, params: ListParams, caller: VerifiedAccessToken) -> Members:
    """`ListTasksResponse`: a page of the caller's tasks, the last changed first. Raises `A2AError`."""
    owner = ThreadOwner.of(caller)
    runs = conversations.threads.runs
    try:
        page = await runs.page(owner, run_query(params))
    except ValueError:
        raise invalid_params("pageToken", "must be the nextPageToken of an earlier response") from None
    artifacts = bool(params.include_artifacts)
    messages = await runs.messages(owner, page.runs, asked=not artifacts)
    tasks = []
    for record, stored in zip(page.runs, messages, strict=True):
        task = StoredTask(record, [message.message for message in stored])
        with suppress(A2AError, ThreadNotFoundError):  # it may have been deleted meanwhile
            members = with_history(await task.members(conversations, caller), params.history_length)
            listed = members.pop("artifacts", [])
            if artifacts:
                members["artifacts"] = listed
            tasks.append(members)
    return {
        "tasks": tasks,
        "nextPageToken": page.cursor or "",
        "pageSize": params.page_size or _PAGE,
        "totalSize": page.total,
    }


def run_query(params: ListParams) -> RunQuery:
    """The runs that `params` select. Raises `A2AError`."""
    if params.context_id and not is_thread_id(params.context_id):
        raise invalid_params("contextId", "expected 1 to 64 letters, digits, - and _")
    state = None if params.status in _NO_STATE else str(params.status).removeprefix("TASK_STATE_").lower()
    return RunQuery(
        limit=params.page_size or _PAGE,
        before=params.page_token or None,
        thread_id=params.context_id or None,
        state=state,
        since=_seconds(params.status_timestamp_after),
        messages=_MESSAGES if params.include_artifacts else None,
    )


def _seconds(time: str | None) -> float | None:
    """RFC 3339 as unix seconds."""
    if time is None:
        return None
    if _TIME.fullmatch(time) is not None:
        with suppress(ValueError, OverflowError):
            return datetime.fromisoformat(time).timestamp()
    raise invalid_params("statusTimestampAfter", "expected a time such as 2026-12-01T09:10:00Z")
