"""A conversation as JSON for its owner."""

from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from datetime import UTC, datetime
from typing import Any

from agent.api.ag_ui.messages import to_ag_ui
from agent.conversations.message_json import encoded
from agent.conversations.thread import StoredJson, StoredMessage, Thread


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


def message_page(stored: Sequence[StoredMessage]) -> dict[str, Any]:
    """A page of AG-UI's messages, and the cursor of the page before it, if there is one."""
    more = bool(stored) and stored[0].seq > 1
    return {
        "messages": to_ag_ui(each.message for each in stored),
        "next": stored[0].seq if more else None,
    }


async def exported(
    thread: Thread, messages: Sequence[StoredJson], more: Callable[[int], Awaitable[Sequence[StoredJson]]]
) -> AsyncIterator[bytes]:
    """The thread as one JSON object, in parts: whatever its size, few of its messages are in memory.

    `messages` are the first ones, `more` returns those after a position, until it returns none.
    """
    about = {"id": thread.id, "title": thread.title}
    times = {"created_at": rfc3339(thread.created_at), "updated_at": rfc3339(thread.updated_at)}
    yield encoded(about | times)[:-1] + b',"messages":['
    separator = b""
    while messages:
        parts = [each.json[:-1] + b"," + _stored_by(each) for each in messages]
        yield separator + b",".join(parts)
        separator, messages = b",", await more(messages[-1].seq)
    yield b"]}"


def _stored_by(message: StoredJson) -> bytes:
    return encoded({"created_at": rfc3339(message.created_at), "run_id": message.run_id})[1:]


def rfc3339(seconds: float) -> str:
    """Unix seconds as RFC 3339, in UTC, with milliseconds."""
    return datetime.fromtimestamp(seconds, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
