"""The ids of tasks and messages, and what they name in the agent."""

import re
from dataclasses import dataclass
from typing import Final

from agent.api.a2a.rpc_error import task_not_found
from agent.conversations.thread import is_thread_id

_RUN_ID: Final = re.compile(r"[0-9a-f]{32}")
_MESSAGE: Final = "a2a-"
"""Begins the stored id of a client's message, so that it is never that of another message: the graph would
replace that one."""


@dataclass(frozen=True, slots=True)
class TaskId:
    """`context.run`: the conversation, which is A2A's context, and its run. So a task is found in its owner's
    conversation, and nowhere else.
    """

    context_id: str
    run_id: str

    def __str__(self) -> str:
        return f"{self.context_id}.{self.run_id}"

    @classmethod
    def read(cls, text: str) -> "TaskId":
        """Raises `RpcError` (`TASK_NOT_FOUND`) for a text that is no such id."""
        context_id, _, run_id = text.rpartition(".")
        if not is_thread_id(context_id) or _RUN_ID.fullmatch(run_id) is None:
            raise task_not_found()
        return cls(context_id, run_id)


def stored_id(message_id: str) -> str:
    """The id under which the message of a client is stored."""
    return f"{_MESSAGE}{message_id}"


def message_id_of(stored: str | None) -> str:
    """The client's id of a stored message; of one that came by another way, its own."""
    return (stored or "").removeprefix(_MESSAGE)
