"""Every table and every kind of key that the agent has, and what of a person is in it.

A test compares the list with the tables of both databases and with the keys in the source: what is new and
not listed fails. Of a person the stores have the digest of issuer and subject (`owner_digest`).
"""

from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Final

from agent.conversations.database.database import Row
from agent.conversations.encryption.encryption import Encryption
from identity.errors import ConfigurationError

_IN_THREADS: Final = " JOIN threads ON threads.key = thread_key"
_NONE: Final[Mapping[str, tuple[str, ...]]] = MappingProxyType({})


@dataclass(frozen=True, slots=True)
class Table:
    """A table with rows of people. `columns` are all that it has.

    `sealed` has the place of each sealed column (`Encryption`): the kind of value, then names of columns.
    `of_thread`: its rows are those of a conversation, and end with it. `thread_column`: rows of an owner that
    name a conversation there are erased with it, and the others by themselves.
    """

    name: str
    columns: Sequence[str]
    sealed: Mapping[str, tuple[str, ...]] = field(default_factory=lambda: _NONE)
    of_thread: bool = False
    thread_column: str | None = None

    @property
    def selected(self) -> Sequence[str]:
        """The columns that `select` reads."""
        if not self.of_thread:
            return self.columns
        return [*(f"{self.name}.{column}" for column in self.columns), "threads.owner", "threads.id"]

    def select(self, condition: str) -> str:
        """The query of rows. For rows of conversations, `condition` may name columns of `threads`."""
        join = _IN_THREADS if self.of_thread else ""
        return f"SELECT {', '.join(self.selected)} FROM {self.name}{join} WHERE {condition}"  # noqa: S608 - constants

    def opened(self, row: Row, encryption: Encryption) -> dict[str, object]:
        """A row by its columns, sealed values opened; one that the agent has not sealed there is `None`."""
        names = [column.rpartition(".")[2] for column in self.selected]
        values: dict[str, object] = dict(zip(names, row, strict=True))
        for column, (kind, *place) in self.sealed.items():
            stored = values[column]
            if isinstance(stored, bytes):
                with suppress(ConfigurationError):  # the log says so
                    values[column] = None
                    values[column] = encryption.open(stored, kind, *(str(values[name]) for name in place))
        return values


@dataclass(frozen=True, slots=True)
class Kept:
    """Data that is not erased, and why."""

    name: str
    why: str


THREADS: Final = Table(
    "threads",
    (
        *("key", "owner", "id", "title", "status", "run_id", "process_id", "begun_at", "change", "last_seq"),
        *("bytes", "created_at", "updated_at", "deleted_at", "labels"),
    ),
    {"title": ("title", "owner", "id"), "labels": ("labels", "owner", "id")},
)
OF_THREADS: Final = (
    Table(
        "messages",
        ("thread_key", "seq", "run_id", "created_at", "tokens", "body", "sent", "version_of", "aside"),
        {"body": ("message", "owner", "id", "run_id")},
        of_thread=True,
    ),
    Table(
        "files",
        ("thread_key", "file_id", "body"),
        {"body": ("file", "owner", "id", "file_id")},
        of_thread=True,
    ),
    Table("terms", ("thread_key", "term"), of_thread=True),
    Table(
        "drafts",
        ("thread_key", "run_id", "number", "body"),
        {"body": ("draft", "owner", "id", "run_id", "number")},
        of_thread=True,
    ),
    Table(
        "checkpoints",
        ("thread_key", "run_id", "body"),
        {"body": ("checkpoint", "owner", "id", "run_id")},
        of_thread=True,
    ),
)
OF_OWNERS: Final = (
    Table(
        "runs",
        (
            *("thread_key", "run_id", "owner", "state", "reason", "changed_at", "expires_at", "first_seq"),
            *("asked", "last_seq"),
        ),
        thread_column="thread_key",
    ),
    Table(
        "approvals",
        (
            *("id", "owner", "thread_id", "status", "created_at", "body", "state", "approvers"),
            *("prepared_by", "expires_at"),
        ),
        {"body": ("request", "owner", "thread_id", "id"), "state": ("state", "owner", "thread_id", "id")},
        thread_column="thread_id",
    ),
    Table(
        "grants",
        ("id", "owner", "thread_id", "created_at", "ends_at", "uses", "last_used_at", "body"),
        {"body": ("grant", "owner", "id")},
        thread_column="thread_id",
    ),
    Table(
        "counted_calls",
        ("id", "owner", "tool", "day", "amount", "body"),
        {"body": ("counted", "owner", "id")},
    ),
    Table("call_totals", ("day", "owner", "tool", "calls", "amount")),
    Table("day_counts", ("day", "id", "owner", "body"), {"body": ("count", "owner", "id")}),
    Table(
        "budget_raises",
        ("id", "day", "owner", "budget", "approvers", "status", "body"),
        {"body": ("raise", "owner", "id")},
    ),
    Table("budget_notices", ("day", "owner", "budget", "setting")),
    Table("model_usage", ("day", "owner", "model", "input_tokens", "output_tokens")),
)
ERASED: Final = (THREADS, *OF_THREADS, *OF_OWNERS)
"""The tables whose rows of a person are exported, and erased."""

WITHOUT_PEOPLE: Final = frozenset({"processes", "encryption_keys", "revocation_log", "schema_version"})
"""The tables without a row of a person."""

REVOCATIONS: Final = Kept(
    "revocations", "they refuse tokens or calls of the person, until idaas-agent unrevoke or start"
)
STOP_REPORTS: Final = Kept(
    "stop_reports", "which calls went on at a stop, and whose: removed after a day, in Redis too"
)
KEPT: Final = (
    REVOCATIONS,
    STOP_REPORTS,
    Kept(
        "approvals of others",
        "a question that the person decided for somebody else names them, and belongs to that conversation",
    ),
    Kept(
        "audit log",
        "what was done in whose name, without words: kept as long as your law and your rotation say",
    ),
    Kept("backups", "they end with your retention: erase again after each restore"),
    Kept(
        "LangGraph Server, Aegra",
        "their own database has the conversations and sealed callers of their API: delete the threads there",
    ),
)
"""What an erasure leaves, in the words of the archive and of the command."""


@dataclass(frozen=True, slots=True)
class RedisKey:
    """A kind of key in Redis. `of_person`: its name has a digest of the person."""

    kind: str
    of_person: bool
    what: str


REDIS_KEYS: Final = (
    RedisKey("streams", True, "the names of the streams of the person's runs of the last ten minutes"),
    RedisKey("events", True, "the events of such a run, sealed"),
    RedisKey("latest", True, "which stream a run has"),
    RedisKey("removed", True, "that a run was erased: for two hours its late events are refused"),
    RedisKey("runs", True, "the places of runs in progress"),
    RedisKey("minute", True, "how many requests the person made in the last minute"),
    RedisKey("revocations", False, "revocations, which are kept"),
    RedisKey("stop_reports", False, "reports of a stop, which are kept for a day"),
    RedisKey("stop_processes", False, "which processes live, by random ids: for a day"),
    RedisKey("cancellations", False, "a channel, which keeps nothing"),
    RedisKey("seal", False, "that a sealed caller was used: a random id"),
    RedisKey("call", False, "that a call was begun: a digest"),
    RedisKey("check", False, "never written"),
)
