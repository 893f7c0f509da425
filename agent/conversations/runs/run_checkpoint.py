"""The checkpoint of one run, which is saved only if the run pauses.

LangGraph writes a checkpoint at the end of every run. Most runs never need theirs: the messages are in the
transcript. So it stays in memory, and a run that does not pause costs no access to the store of checkpoints.
"""

import inspect
from collections.abc import Collection, Sequence
from typing import Any, Final, Self

from langchain_core.runnables import RunnableConfig
from langgraph.checkpoint.base import (
    BaseCheckpointSaver,
    ChannelVersions,
    Checkpoint,
    CheckpointMetadata,
    CheckpointTuple,
)


class RunCheckpoint(BaseCheckpointSaver[str]):
    """LangGraph's saver for one run, whose id is the `thread_id` of its checkpoints. For one use."""

    def __init__(self, run_id: str, saver: BaseCheckpointSaver[str], *, resumed: bool = False) -> None:
        """`resumed` continues with the checkpoint with which the run paused."""
        super().__init__()
        self.config: Final[RunnableConfig] = {"configurable": {"thread_id": run_id, "checkpoint_ns": ""}}
        self._run_id = run_id
        self._saver = saver
        self._saved = resumed
        self._put: tuple[RunnableConfig, Checkpoint, CheckpointMetadata, ChannelVersions] | None = None
        self._writes: list[tuple[RunnableConfig, Sequence[tuple[str, Any]], str, str]] = []

    def resume(self) -> None:
        """Continues with the checkpoint with which the run paused."""
        self._saved = True

    async def save(self) -> None:
        """Saves the checkpoint with which the run ended, and its writes.

        A run that pauses again before it has ended a step has no checkpoint of its own: its question replaces
        that of the checkpoint with which it continued.
        """
        self._saved = True
        put = None if self._put is None else await self._saver.aput(*self._put)
        for config, writes, task_id, path in self._writes:
            await self._saver.aput_writes(put or config, writes, task_id, path)

    async def delete(self) -> None:
        """Deletes what was saved of the run, if anything was."""
        if self._saved:
            await self._saver.adelete_thread(self._run_id)

    async def aget_tuple(self, config: RunnableConfig) -> CheckpointTuple | None:
        """The checkpoint with which the run paused; `None` for a new run."""
        return await self._saver.aget_tuple(config) if self._saved else None

    async def aput(
        self,
        config: RunnableConfig,
        checkpoint: Checkpoint,
        metadata: CheckpointMetadata,
        new_versions: ChannelVersions,
    ) -> RunnableConfig:
        """Keeps the checkpoint in place of an earlier one."""
        self._put, self._writes = (_of_checkpoint(config), checkpoint, metadata, new_versions), []
        ids = {"thread_id": self._run_id, "checkpoint_ns": "", "checkpoint_id": checkpoint["id"]}
        return {"configurable": ids}

    async def aput_writes(
        self,
        config: RunnableConfig,
        writes: Sequence[tuple[str, Any]],
        task_id: str,
        task_path: str = "",
    ) -> None:
        """Keeps writes that belong to the checkpoint, but no error: a run that has one is not saved."""
        kept = [(channel, value) for channel, value in writes if not isinstance(value, BaseException)]
        self._writes.append((_of_checkpoint(config), kept, task_id, task_path))

    def get_next_version(self, current: str | None, channel: None) -> str:  # noqa: ARG002 - the base's signature
        """Versions in the form of both of LangGraph's databases, which is text that sorts."""
        return f"{int(current or 0) + 1:032}"

    def with_allowlist(self, extra_allowlist: Collection[tuple[str, ...]]) -> Self:  # noqa: ARG002 - as above
        """This one: the database's saver has an allowlist of its own."""
        return self


def _of_checkpoint(config: RunnableConfig) -> RunnableConfig:
    """What names a checkpoint, without the run, which has this saver."""
    names = ("thread_id", "checkpoint_ns", "checkpoint_id")
    return {"configurable": {name: value for name, value in config["configurable"].items() if name in names}}


# LangGraph inspects it for every run, and finds it faster here.
RunCheckpoint.aput_writes.__signature__ = inspect.signature(RunCheckpoint.aput_writes)  # type: ignore[attr-defined]
