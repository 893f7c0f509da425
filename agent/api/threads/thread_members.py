"""A conversation as JSON for its owner."""

from collections import Counter
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

from agent.api.ag_ui.messages import to_ag_ui
from agent.conversations.store.thread import StoredMessage, Thread


def thread_members(thread: Thread, waiting: Counter[str]) -> dict[str, Any]:
    """The members of a thread. `waiting` are the numbers of open approvals by thread."""
    return {
        "id": thread.id,
        "title": thread.title,
        "created_at": rfc3339(thread.created_at),
        "updated_at": rfc3339(thread.updated_at),
        "status": thread.status,
        "pending_approvals": waiting[thread.id] if thread.status == "paused" else 0,
    }


def message_page(stored: Sequence[StoredMessage], limit: int) -> dict[str, Any]:
    """A page of AG-UI's messages, and the cursor of the page before it, if there may be one."""
    more = len(stored) == limit and stored[0].seq > 1
    return {
        "messages": to_ag_ui(each.message for each in stored),
        "next": stored[0].seq if more else None,
    }


def exported(export: dict[str, Any]) -> dict[str, Any]:
    """An exported thread with RFC 3339 times."""
    messages = [each | {"created_at": rfc3339(each["created_at"])} for each in export["messages"]]
    times = {name: rfc3339(export[name]) for name in ("created_at", "updated_at")}
    return export | times | {"messages": messages}


def rfc3339(seconds: float) -> str:
    """Unix seconds as RFC 3339, in UTC, with milliseconds."""
    return datetime.fromtimestamp(seconds, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
