"""The checkpoint of one run, which is saved only if the run pauses.

LangGraph writes a checkpoint at the end of every run. Most runs never need theirs: the messages are in the
transcript. So it stays in memory, and a run that does not pause costs no access to the store of checkpoints.
"""

import inspect
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any, Final, NamedTuple, Self

from langchain_core.runnables import RunnableConfig
from langgraph.checkpoint.base import (
    WRITES_IDX_MAP,
    BaseCheckpointSaver,
    ChannelVersions,
    Checkpoint,
    CheckpointMetadata,
    CheckpointTuple,
)

from agent.conversations.checkpoints import Checkpoints, SavedCheckpoint
from agent.conversations.owned_thread import RunKey

_DELTAS: Final = "counters_since_delta_snapshot"
"""In the metadata of a checkpoint with channels that have what was written to those before."""


class _Writes(NamedTuple):
    """Channels and values that a task has written. Without an id, they belong to the latest checkpoint. They
    may come before their checkpoint does.
    """

    checkpoint_id: str | None
    values: Sequence[tuple[str, Any]]
    task_id: str


class RunCheckpoint(BaseCheckpointSaver[str]):
    """LangGraph's saver for one run, whose id is the `thread_id` of its checkpoints. For one use."""

    def __init__(self, run: RunKey, store: Checkpoints, *, resumed: bool = False) -> None:
        """`resumed` continues with the checkpoint with which the run paused."""
        super().__init__()
        self.config: Final[RunnableConfig] = {"configurable": {"thread_id": run.run_id, "checkpoint_ns": ""}}
        self._run = run
        self._store = store
        self._saved = resumed
        self._put: dict[str, SavedCheckpoint] = {}
        self._writes: dict[str, list[_Writes]] = {}
        """Both by the namespaces of graphs: the graph's own is empty."""

    async def save(self) -> None:
        """Saves the checkpoint with which the run ended, and its writes.

        A run that pauses again before it has ended a step has no checkpoint of its own: its question replaces
        that of the checkpoint with which it continued.
        """
        saved = await self._latest()
        self._saved = True
        if saved is not None:
            await self._store.save(self._run, saved)

    async def _latest(self) -> SavedCheckpoint | None:
        """The checkpoint as it is now, with its writes and those of graphs within the graph."""
        nested: Mapping[str, SavedCheckpoint] = {}
        saved = self._put.get("")
        if saved is None and self._saved:
            saved = await self._store.load(self._run)
            nested = {} if saved is None else saved.nested
        if saved is None:
            return None
        saved = replace(saved, nested={**nested, **{name: put for name, put in self._put.items() if name}})
        for name, written in self._writes.items():
            graph = saved.nested.get(name) if name else saved
            if graph is not None:
                _add_writes(graph, written)
        return saved

    async def _latest_of(self, name: str) -> SavedCheckpoint | None:
        saved = await self._latest()
        return saved.nested.get(name) if saved is not None and name else saved

    async def aget_tuple(self, config: RunnableConfig) -> CheckpointTuple | None:
        """The checkpoint of the run, or of a graph within its graph, as it is now, or one before that which
        it needs; `None` at the beginning of a new run.
        """
        name = _namespace(config)
        latest = await self._latest_of(name)
        if latest is None:
            return None
        wanted = config["configurable"].get("checkpoint_id")
        saved = next((earlier for earlier in _earlier(latest) if earlier.checkpoint["id"] == wanted), latest)
        pending = [(task_id, *write) for (task_id, _), write in saved.writes.items()]
        if saved is not latest:
            pending.sort(key=lambda write: write[0])  # in the order of their steps
        before = None if saved.before is None else self._config_of(saved.before.checkpoint, name)
        config = self._config_of(saved.checkpoint, name)
        return CheckpointTuple(config, saved.checkpoint, saved.metadata, before, pending)

    async def aput(
        self,
        config: RunnableConfig,
        checkpoint: Checkpoint,
        metadata: CheckpointMetadata,
        new_versions: ChannelVersions,  # noqa: ARG002 - the checkpoint has all values
    ) -> RunnableConfig:
        """Keeps the checkpoint in place of an earlier one, unless it needs what was written to that."""
        name = _namespace(config)
        before = await self._latest_of(name) if metadata.get(_DELTAS) else None
        self._put[name] = SavedCheckpoint(checkpoint, metadata, before=before)
        return self._config_of(checkpoint, name)

    async def aput_writes(
        self,
        config: RunnableConfig,
        writes: Sequence[tuple[str, Any]],
        task_id: str,
        task_path: str = "",  # noqa: ARG002 - the base's signature
    ) -> None:
        """Keeps writes that belong to the checkpoint, but no error: a run that has one is not saved."""
        values = [(channel, value) for channel, value in writes if not isinstance(value, BaseException)]
        checkpoint_id = config["configurable"].get("checkpoint_id")
        self._writes.setdefault(_namespace(config), []).append(_Writes(checkpoint_id, values, task_id))

    def get_next_version(self, current: str | None, channel: None) -> str:  # noqa: ARG002 - the base's signature
        """Versions in the form of both of LangGraph's databases, which is text that sorts."""
        return f"{int(current or 0) + 1:032}"

    def with_allowlist(self, extra_allowlist: Collection[tuple[str, ...]]) -> Self:  # noqa: ARG002 - as above
        """This one: the database's saver has an allowlist of its own."""
        return self

    def _config_of(self, checkpoint: Checkpoint, name: str) -> RunnableConfig:
        names = {"thread_id": self._run.run_id, "checkpoint_ns": name, "checkpoint_id": checkpoint["id"]}
        return {"configurable": names}


def _namespace(config: RunnableConfig) -> str:
    """That of the graph which has a checkpoint."""
    return str(config["configurable"].get("checkpoint_ns", ""))


def _earlier(saved: SavedCheckpoint | None) -> Iterator[SavedCheckpoint]:
    """`saved`, and those before it that it needs, the latest first."""
    while saved is not None:
        yield saved
        saved = saved.before


def _add_writes(latest: SavedCheckpoint, written: Sequence[_Writes]) -> None:
    """Adds the writes that belong to `latest`, and to those before it."""
    by_id = {saved.checkpoint["id"]: saved for saved in _earlier(latest)}
    for writes in written:
        saved = by_id.get(writes.checkpoint_id or latest.checkpoint["id"])
        if saved is None:
            continue  # of a checkpoint that nothing needs any more
        for position, (channel, value) in enumerate(writes.values):
            key = writes.task_id, WRITES_IDX_MAP.get(channel, position)
            if key[1] < 0 or key not in saved.writes:  # a question replaces the one before
                saved.writes[key] = channel, value


# LangGraph inspects it for every run, and finds it faster here.
RunCheckpoint.aput_writes.__signature__ = inspect.signature(RunCheckpoint.aput_writes)  # type: ignore[attr-defined]  # `inspect` reads it
