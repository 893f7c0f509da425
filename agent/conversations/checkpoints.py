"""The checkpoint of a run that waits for a person: one for each thread, sealed as a whole. The end of the run
deletes it (`ThreadStore.end_run`).

LangGraph's serializer writes it as MessagePack. Reading imports nothing but the types of LangGraph's own list
(messages, interrupts, dates and the like), and no pickle, whatever is in the database.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from langgraph.checkpoint.base import Checkpoint, CheckpointMetadata
from langgraph.checkpoint.serde.jsonplus import JsonPlusSerializer

from agent.conversations.database.database import Database, query
from agent.conversations.encryption.encryption import Encryption
from agent.conversations.owned_thread import RunKey

_STRICT: Final = JsonPlusSerializer(
    pickle_fallback=False, allowed_json_modules=None, allowed_msgpack_modules=None
)
_FORM: Final = "msgpack"


@dataclass(frozen=True, slots=True)
class SavedCheckpoint:
    """LangGraph's checkpoint, and the writes of its tasks: channel and value, by task and number."""

    checkpoint: Checkpoint
    metadata: CheckpointMetadata
    writes: dict[tuple[str, int], tuple[str, Any]] = field(default_factory=dict)
    nested: Mapping[str, "SavedCheckpoint"] = field(default_factory=dict)
    """The checkpoints of graphs within the graph, by their namespaces."""
    before: "SavedCheckpoint | None" = None
    """The one before, if channels have what was written to it and not what it was (`DeltaChannel`)."""

    def members(self) -> list[Any]:
        """Its members as they are written."""
        writes = [[*key, *write] for key, write in self.writes.items()]
        nested = {name: inner.members() for name, inner in self.nested.items()}
        members = [self.checkpoint, self.metadata, writes]
        if nested or self.before:
            members.append(nested)
        if self.before:
            members.append(self.before.members())
        return members

    @classmethod
    def of(cls, members: Sequence[Any]) -> "SavedCheckpoint":
        """The inverse. Raises `ValueError` or `TypeError`."""
        checkpoint, metadata, writes, *rest = members
        nested = rest[0] if rest else {}
        before = rest[1] if len(rest) > 1 else None
        return cls(
            checkpoint,
            metadata,
            {(task, number): (name, value) for task, number, name, value in writes},
            {name: cls.of(inner) for name, inner in nested.items()},
            None if before is None else cls.of(before),
        )


class Checkpoints:
    """Raises what `Database` raises."""

    def __init__(self, database: Database, encryption: Encryption) -> None:
        self._database = database
        self._encryption = encryption

    async def save(self, run: RunKey, saved: SavedCheckpoint) -> None:
        """In place of an earlier one of the thread. On disk when it returns. Nothing is saved unless the run
        is that of the thread.
        """
        _, packed = _STRICT.dumps_typed(saved.members())
        body = self._encryption.seal(packed, "checkpoint", *run.place)
        sql = (
            "INSERT INTO checkpoints (thread_key, run_id, body) SELECT key, run_id, ? FROM threads"
            " WHERE owner = ? AND id = ? AND run_id = ?"
            " ON CONFLICT (thread_key) DO UPDATE SET run_id = excluded.run_id, body = excluded.body"
        )
        await self._database.write(lambda: query(sql, body, *run.place), durable=True)

    async def load(self, run: RunKey) -> SavedCheckpoint | None:
        """The checkpoint of the run. Raises `ConfigurationError` for one that this agent has not saved so."""
        sql = (
            "SELECT body FROM checkpoints JOIN threads ON threads.key = thread_key"
            " WHERE threads.owner = ? AND threads.id = ? AND checkpoints.run_id = ?"
        )
        rows = await self._database.read(lambda: query(sql, *run.place))
        if not rows:
            return None
        packed = self._encryption.open(rows[0][0], "checkpoint", *run.place)
        try:
            return SavedCheckpoint.of(_STRICT.loads_typed((_FORM, packed)))
        except (ValueError, TypeError, AttributeError):
            raise self._encryption.refusal("a checkpoint does not have the expected form") from None
