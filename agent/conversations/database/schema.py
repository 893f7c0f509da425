"""The tables, as migrations: each is applied once, in order, by the process that starts first.

A thread has a number (`key`), by which its messages refer to it. `title`, `labels`, `body` and `state` are
sealed (`agent.conversations.encryption`); identifiers, times and states are in clear. Times are unix seconds.
"""

from collections.abc import Sequence
from typing import Final

from agent.errors.error_codes import AgentCode
from identity.errors import ConfigurationError

APPLICATION_ID: Final = 0x1DAA5A6E
"""SQLite's `application_id` of a file of conversations."""

_TABLES: Final = (
    """
    CREATE TABLE threads (
        key {key},
        owner TEXT NOT NULL,
        id TEXT NOT NULL,
        title {bytes},
        status TEXT NOT NULL,
        run_id TEXT,
        process_id TEXT,
        begun_at {time},
        change {number} NOT NULL DEFAULT 0,
        last_seq {number} NOT NULL,
        bytes {number} NOT NULL,
        created_at {time} NOT NULL,
        updated_at {time} NOT NULL,
        deleted_at {time},
        labels {bytes},
        UNIQUE (owner, id)
    )
    """,
    # `change`: a random number of the latest change of a run, by which statements sent together agree.
    # `labels`: those of what the conversation has read; NULL: none.
    "CREATE INDEX threads_listed ON threads (owner, updated_at DESC, id DESC) WHERE deleted_at IS NULL",
    "CREATE INDEX threads_running ON threads (process_id) WHERE status = 'running'",
    "CREATE INDEX threads_of_run ON threads (run_id) WHERE run_id IS NOT NULL",
    "CREATE INDEX threads_sizes ON threads (owner, deleted_at, bytes)",
    "CREATE INDEX threads_updated ON threads (updated_at)",
    "CREATE INDEX threads_deleted ON threads (deleted_at) WHERE deleted_at IS NOT NULL",
    """
    CREATE TABLE messages (
        thread_key {number} NOT NULL,
        seq {number} NOT NULL,
        run_id TEXT NOT NULL,
        created_at {time} NOT NULL,
        tokens {number} NOT NULL,
        body {bytes} NOT NULL,
        sent {bytes},
        version_of {number},
        aside {number},
        PRIMARY KEY (thread_key, seq)
    )
    """,
    # `sent`: a digest of the id under which a client sent a message, so that it is not stored again.
    # `version_of`: of a question that replaced another, the position of the first version.
    # `aside`: the version with which a message was taken out of the conversation.
    "CREATE INDEX messages_sent ON messages (thread_key, sent) WHERE sent IS NOT NULL",
    "CREATE INDEX messages_versions ON messages (thread_key, version_of) WHERE version_of IS NOT NULL",
    """
    CREATE TABLE terms (
        thread_key {number} NOT NULL,
        term {bytes} NOT NULL,
        PRIMARY KEY (thread_key, term)
    ){clustered}
    """,
    """
    CREATE TABLE drafts (
        thread_key {number} NOT NULL,
        run_id TEXT NOT NULL,
        number {number} NOT NULL,
        body {bytes} NOT NULL,
        PRIMARY KEY (thread_key, run_id, number)
    )
    """,
    """
    CREATE TABLE runs (
        thread_key {number} NOT NULL,
        run_id TEXT NOT NULL,
        owner TEXT NOT NULL,
        state TEXT NOT NULL,
        reason TEXT,
        changed_at {time} NOT NULL,
        expires_at {time},
        first_seq {number} NOT NULL,
        asked {number} NOT NULL,
        last_seq {number},
        PRIMARY KEY (thread_key, run_id)
    ){clustered}
    """,
    "CREATE INDEX runs_listed ON runs (owner, changed_at DESC, run_id DESC)",
    "CREATE INDEX runs_expiring ON runs (owner, expires_at) WHERE expires_at IS NOT NULL",
    """
    CREATE TABLE approvals (
        id TEXT PRIMARY KEY,
        owner TEXT NOT NULL,
        thread_id TEXT NOT NULL,
        status TEXT NOT NULL,
        created_at {time} NOT NULL,
        body {bytes} NOT NULL,
        state {bytes} NOT NULL,
        approvers TEXT,
        prepared_by TEXT,
        expires_at {time}
    )
    """,
    # `approvers`, in clear: the group whose members are asked; NULL: the owner is.
    # `prepared_by`: the digest of the program that asks in place of a run; NULL: a run asks.
    "CREATE INDEX approvals_open ON approvals (owner, created_at, id) WHERE status = 'open'",
    "CREATE INDEX approvals_of_thread ON approvals (owner, thread_id)",
    "CREATE INDEX approvals_of_group ON approvals (approvers, created_at, id) WHERE status = 'open'",
    "CREATE INDEX approvals_prepared ON approvals (prepared_by, created_at) WHERE prepared_by IS NOT NULL",
    "CREATE TABLE checkpoints (thread_key {number} PRIMARY KEY, run_id TEXT NOT NULL, body {bytes} NOT NULL)",
    "CREATE TABLE processes (id TEXT PRIMARY KEY, seen_at {time} NOT NULL)",
    "CREATE TABLE encryption_keys (name TEXT PRIMARY KEY)",
    """
    CREATE TABLE revocations (
        target TEXT NOT NULL,
        origin TEXT NOT NULL,
        name TEXT NOT NULL,
        until {time},
        changed_at {time} NOT NULL,
        seq {number} NOT NULL,
        PRIMARY KEY (target, origin, name)
    )
    """,
    # In clear. In SQLite, REVOCATIONS_FILE has them. `seq` is the order in which they were written.
    "CREATE UNIQUE INDEX revocations_written ON revocations (seq)",
    """
    CREATE TABLE grants (
        id TEXT PRIMARY KEY,
        owner TEXT NOT NULL,
        thread_id TEXT,
        created_at {time} NOT NULL,
        ends_at {time} NOT NULL,
        uses {number} NOT NULL,
        last_used_at {time},
        body {bytes} NOT NULL
    )
    """,
    # `thread_id`: NULL for a grant that counts in all conversations of its owner.
    "CREATE INDEX grants_of_owner ON grants (owner, ends_at)",
    """
    CREATE TABLE counted_calls (
        id TEXT PRIMARY KEY,
        owner TEXT NOT NULL,
        tool TEXT NOT NULL,
        day TEXT NOT NULL,
        amount {number} NOT NULL
    )
    """,
    "CREATE INDEX counted_calls_of_day ON counted_calls (day)",
    """
    CREATE TABLE call_totals (
        day TEXT NOT NULL,
        owner TEXT NOT NULL,
        tool TEXT NOT NULL,
        calls {number} NOT NULL,
        amount {number} NOT NULL,
        PRIMARY KEY (day, owner, tool)
    )
    """,
    "CREATE TABLE files (thread_key {number}, file_id TEXT, body {bytes}, PRIMARY KEY (thread_key, file_id))",
)

_REVOCATION_LOG: Final = (
    "CREATE TABLE revocation_log (seq {number} PRIMARY KEY, mark TEXT NOT NULL)",
    "INSERT INTO revocation_log (seq, mark) SELECT seq, '' FROM revocations ORDER BY seq DESC LIMIT 1",
)
"""For each of the latest transactions that wrote `revocations`: its last `seq`, and a random mark. Processes
of version 0.1.0 write none.
"""

_OPAQUE_COUNTS: Final = (
    """
    CREATE TABLE day_counts (
        day TEXT NOT NULL,
        id TEXT NOT NULL,
        owner TEXT NOT NULL,
        body {bytes} NOT NULL,
        PRIMARY KEY (day, id)
    ){clustered}
    """,
    "ALTER TABLE counted_calls ADD COLUMN body {bytes}",
)
"""The keys by which the calls of a day are counted; `call_totals` and `amount` are for processes of 0.1.0."""

_STOP_REPORTS: Final = (
    """
    CREATE TABLE stop_reports (
        stop TEXT NOT NULL,
        process_id TEXT NOT NULL,
        reported_at {time} NOT NULL,
        calls TEXT NOT NULL,
        PRIMARY KEY (stop, process_id)
    )
    """,
)
"""The calls that went on in each process after a stop. In clear, as revocations are; kept for a day."""

_MODEL_USAGE: Final = (
    """
    CREATE TABLE model_usage (
        day TEXT NOT NULL,
        owner TEXT NOT NULL,
        model TEXT NOT NULL,
        input_tokens {number} NOT NULL,
        output_tokens {number} NOT NULL,
        PRIMARY KEY (day, owner, model)
    ){clustered}
    """,
)
"""The tokens of each user in a day (UTC), in clear; `owner` is a digest."""

_BUDGET_RAISES: Final = (
    """
    CREATE TABLE budget_raises (
        id TEXT PRIMARY KEY,
        day TEXT NOT NULL,
        owner TEXT NOT NULL,
        budget TEXT NOT NULL,
        approvers TEXT,
        status TEXT NOT NULL,
        body {bytes} NOT NULL
    )
    """,
    "CREATE INDEX budget_raises_of_day ON budget_raises (day, budget)",
)
"""The questions whether a limit of the models is raised on a day (UTC): `owner` asks, `budget` is the digest
of those whose limit it is.
"""

_BUDGET_NOTICES: Final = (
    """
    CREATE TABLE budget_notices (
        day TEXT NOT NULL,
        owner TEXT NOT NULL,
        budget TEXT NOT NULL,
        setting TEXT NOT NULL,
        PRIMARY KEY (day, owner, budget, setting)
    ){clustered}
    """,
)
"""Who was told on a day (UTC) that a limit of the models is near: `owner`, of the limit `setting` of those
with the digest `budget`.
"""

_MIGRATIONS: Final[Sequence[Sequence[str]]] = (
    _TABLES,
    _REVOCATION_LOG,
    _OPAQUE_COUNTS,
    _STOP_REPORTS,
    _MODEL_USAGE,
    _BUDGET_RAISES,
    _BUDGET_NOTICES,
)
"""A migration must leave the tables usable for the release before it, whose processes go on meanwhile: what
is not used any more is dropped one release later.
"""

SCHEMA_VERSION: Final = len(_MIGRATIONS)
"""The version that this code reads and writes: the number of migrations."""

SQLITE_TYPES: Final = {
    "key": "INTEGER PRIMARY KEY",
    "number": "INTEGER",
    "time": "REAL",
    "bytes": "BLOB",
    "clustered": " WITHOUT ROWID",
}
POSTGRES_TYPES: Final = {
    "key": "BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY",
    "number": "BIGINT",
    "time": "DOUBLE PRECISION",
    "bytes": "BYTEA",
    "clustered": "",
}


def migrations(version: int, types: dict[str, str]) -> list[str]:
    """The statements that lead from `version`, 0 for no tables, to `SCHEMA_VERSION`, with a database's types.

    Raises `ConfigurationError` for a version that this code does not know.
    """
    if not 0 <= version <= SCHEMA_VERSION:
        unknown = f"the tables of conversations have version {version}, and this agent knows {SCHEMA_VERSION}"
        raise ConfigurationError(AgentCode.CONVERSATIONS_SCHEMA_UNKNOWN, [unknown])
    return [statement.format_map(types) for applied in _MIGRATIONS[version:] for statement in applied]
