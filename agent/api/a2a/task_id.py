"""The id of a task, which names its conversation (A2A's context) and its run."""

import re
from dataclasses import dataclass
from typing import Final

from agent.api.a2a.rpc_error import task_not_found
from agent.conversations.store.thread import is_thread_id

_RUN_ID: Final = re.compile(r"[0-9a-f]{32}")


@dataclass(frozen=True, slots=True)
class TaskId:
    """`context.run`: so a task is found in its owner's conversation alone, and nowhere else."""

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
