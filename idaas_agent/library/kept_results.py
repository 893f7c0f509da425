"""Results of calls that change something, beside the checkpoint of the task that made them.

LangGraph saves what a task writes when the task has ended. One that pauses is run again, whole, perhaps in
another process, which then finds the results of the calls that were made before the pause: the application's
own checkpointer has them, where they would be anyway once the task had ended.
"""

import hashlib
from typing import Final
from uuid import UUID

from langchain_core.messages import ToolMessage

from idaas_agent.library.made_calls import KnownBy
from idaas_agent.library.place import Place

_CHANNEL: Final = "__idaas_agent_result"
"""No channel is named so, and no task has the id of a result: LangGraph keeps it, and never uses it."""


async def keep_result(place: Place, known_by: KnownBy, result: ToolMessage) -> None:
    """Keeps the result of a call that was made. Raises what the checkpointer raises."""
    assert place.saver is not None  # noqa: S101 - a call with a conversation has one
    await place.saver.aput_writes(place.saved_at, [(_CHANNEL, result)], _task(known_by))


async def kept_result(place: Place, known_by: KnownBy) -> ToolMessage | None:
    """The result of the call that was made in an earlier execution of the task, if it is kept."""
    assert place.saver is not None  # noqa: S101 - a call with a conversation has one
    saved = await place.saver.aget_tuple(place.saved_at)
    task = _task(known_by)
    for name, channel, value in () if saved is None else saved.pending_writes or ():
        if (name, channel) == (task, _CHANNEL) and isinstance(value, ToolMessage):
            return value
    return None


def _task(known_by: KnownBy) -> str:
    """In the form of a task's id, as savers expect it."""
    return str(UUID(bytes=hashlib.sha256(repr(known_by).encode()).digest()[:16]))
