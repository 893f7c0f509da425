"""`ListTasks`: the runs of all conversations of the caller, as tasks."""

import re
from contextlib import suppress
from datetime import datetime
from typing import Final

from agent.api.a2a.members import Members
from agent.api.a2a.rpc_error import RpcError, invalid_params
from agent.api.a2a.rpc_request import ListParams
from agent.api.a2a.stored_task import MAX_MESSAGES, StoredTask
from agent.api.a2a.task import TaskId, with_history
from agent.conversations.run_history import RunQuery
from agent.conversations.thread import is_thread_id, owner_of
from agent.errors.error_response import RequestError
from agent.runs.conversation_runs import Conversations
from identity.access_token.verified_access_token import VerifiedAccessToken
from identity.errors import ThreadNotFoundError

_PAGE: Final = 50
"""Tasks of a page, unless the client says how many."""
_MESSAGES: Final = 500
"""Messages of the tasks of a page with artifacts. Above it, the page has fewer tasks, as A2A allows."""
_TIME: Final = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{1,9})?(Z|[+-]\d\d:\d\d)", re.ASCII)
_NO_STATE: Final = (None, "TASK_STATE_UNSPECIFIED")


async def task_list(conversations: Conversations, params: ListParams, caller: VerifiedAccessToken) -> Members:
    """A page of the caller's tasks. Raises `RpcError` (`INVALID_PARAMS`)."""
    owner, runs = owner_of(caller.principal), conversations.threads.runs
    try:
        page = await runs.page(owner, run_query(params))
    except ValueError:
        raise _invalid("pageToken", "must be the nextPageToken of an earlier response") from None
    artifacts = bool(params.include_artifacts)
    messages = await runs.messages(owner, page.runs, limit=MAX_MESSAGES, asked=not artifacts)
    tasks = []
    for record, stored in zip(page.runs, messages, strict=True):
        task = StoredTask(TaskId(record.thread_id, record.run_id), record, stored)
        with suppress(RpcError, ThreadNotFoundError):  # it may have been deleted meanwhile
            members = with_history(await task.members(conversations, caller), params.history_length)
            listed = members.pop("artifacts", [])
            tasks.append(members | {"artifacts": listed} if artifacts else members)
    return {
        "tasks": tasks,
        "nextPageToken": page.cursor or "",
        "pageSize": params.page_size or _PAGE,
        "totalSize": page.total,
    }


def run_query(params: ListParams) -> RunQuery:
    """The runs that `params` select. Raises `RpcError`."""
    if params.context_id and not is_thread_id(params.context_id):
        raise _invalid("contextId", "expected 1 to 64 letters, digits, - and _")
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
    raise _invalid("statusTimestampAfter", "expected a time such as 2026-12-01T09:10:00Z")


def _invalid(member: str, problem: str) -> RpcError:
    return invalid_params(RequestError(member, problem))
