"""The checkpoints of runs that wait for a person: LangGraph's own saver, in the database of conversations."""

from collections.abc import AsyncGenerator, AsyncIterator, Callable, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Any, TypeAlias

from langchain_core.runnables import RunnableConfig
from langgraph.checkpoint.base import (
    BaseCheckpointSaver,
    ChannelVersions,
    Checkpoint,
    CheckpointMetadata,
    CheckpointTuple,
)

from identity.errors import AgentError

OpenSaver: TypeAlias = Callable[[], AbstractAsyncContextManager[BaseCheckpointSaver[str]]]
"""Connects LangGraph's saver of a database; its tables exist then."""


class Checkpoints(BaseCheckpointSaver[str]):
    """A saver that connects for each operation, which is rare, and raises the database's failures as errors.

    `failure` makes an `AgentError` of an exception, or `None` if it is no failure of the database.
    """

    def __init__(self, open_saver: OpenSaver, failure: Callable[[Exception], AgentError | None]) -> None:
        super().__init__()
        self._open_saver = open_saver
        self._failure = failure

    async def prepare(self) -> None:
        """Makes LangGraph's tables, if there are none."""
        async with self._saver():
            pass

    async def aget_tuple(self, config: RunnableConfig) -> CheckpointTuple | None:
        """The checkpoint, or the latest one of the run."""
        async with self._saver() as saver:
            return await saver.aget_tuple(config)

    async def alist(
        self,
        config: RunnableConfig | None,
        *,
        filter: dict[str, Any] | None = None,  # noqa: A002 - the base's signature
        before: RunnableConfig | None = None,
        limit: int | None = None,
    ) -> AsyncIterator[CheckpointTuple]:
        """The checkpoints, the latest first."""
        async with self._saver() as saver:
            async for found in saver.alist(config, filter=filter, before=before, limit=limit):
                yield found

    async def aput(
        self,
        config: RunnableConfig,
        checkpoint: Checkpoint,
        metadata: CheckpointMetadata,
        new_versions: ChannelVersions,
    ) -> RunnableConfig:
        """Saves a checkpoint."""
        async with self._saver() as saver:
            return await saver.aput(config, checkpoint, metadata, new_versions)

    async def aput_writes(
        self, config: RunnableConfig, writes: Sequence[tuple[str, Any]], task_id: str, task_path: str = ""
    ) -> None:
        """Saves writes that belong to a checkpoint."""
        async with self._saver() as saver:
            await saver.aput_writes(config, writes, task_id, task_path)

    async def adelete_thread(self, thread_id: str) -> None:
        """Deletes the checkpoints of a run: its identifier is LangGraph's `thread_id`."""
        async with self._saver() as saver:
            await saver.adelete_thread(thread_id)

    @asynccontextmanager
    async def _saver(self) -> AsyncGenerator[BaseCheckpointSaver[str]]:
        try:
            async with self._open_saver() as saver:
                yield saver
        except Exception as error:
            if (failure := self._failure(error)) is None:
                raise
            raise failure from None
