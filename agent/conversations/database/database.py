"""The seam to a database: a transaction is described without I/O, and runs on every database.

    def rename(title: bytes, key: int) -> Transaction[bool]:
        rows = yield from query("UPDATE threads SET title = ? WHERE key = ? RETURNING 1", title, key)
        return bool(rows)

    renamed = await database.write(lambda: rename(title, key))

A transaction is a generator: it yields statements that are sent together, and receives the rows of each.
"""

import logging
import time
from collections.abc import Callable, Generator, Sequence
from dataclasses import dataclass
from typing import Any, Final, Literal, Protocol, TypeAlias, TypeVar

from identity.errors import AgentError

T = TypeVar("T")

Value: TypeAlias = str | bytes | int | float | None
Row: TypeAlias = tuple[Any, ...]
Rows: TypeAlias = Sequence[Row]
_LOG: Final = logging.getLogger("idaas_agent.conversations")
_REMEMBERED_SECONDS: Final = 60.0
"""How long a failure counts if nothing is written after it."""

Kind: TypeAlias = Literal["write", "batches"]
"""The method of `Database`. Messages are `batches`: on a full disk, something smaller may still fit."""


@dataclass(frozen=True, slots=True)
class Statement:
    """One SQL statement with `?` for each of `values`: what SQLite and PostgreSQL have in common."""

    sql: str
    values: Sequence[Value] = ()
    lock: bool = False
    """No other transaction changes the rows of this query until this one, which writes, has ended."""


Transaction: TypeAlias = Generator[Sequence[Statement], Sequence[Rows], T]


def query(sql: str, *values: Value) -> Transaction[Rows]:
    """One statement, and its rows."""
    [rows] = yield [Statement(sql, values)]
    return rows


class Database(Protocol):
    """Runs transactions, each whole or not at all. Opens nothing before the first one, which makes or checks
    the tables.

    `work` makes the transaction; it may be called again if nothing was done the first time. What it raises
    undoes the transaction and is raised here. Raises `UnavailableError` while the database cannot be used,
    and `ConfigurationError` if only an operator can change that.
    """

    async def read(self, work: Callable[[], Transaction[T]]) -> T:
        """Runs a transaction that changes nothing."""

    async def write(self, work: Callable[[], Transaction[T]], *, durable: bool = False) -> T:
        """Runs a transaction. It outlasts the process; with `durable`, a failure of power too."""

    async def batches(self, work: Callable[[], Transaction[T]]) -> T:
        """Runs the statements that `work` yields together as one transaction, those that follow as another.

        Each costs one exchange with the database. If a connection is lost, whether the last one was done is
        not known: `UnavailableError`.
        """

    async def check(self) -> str:
        """Describes the database in a few words for operators. Raises as `read` does."""

    async def exists(self) -> bool:
        """Whether there may be conversations. Creates nothing."""

    async def scrub(self) -> None:
        """Overwrites what was deleted, as far as the database's own files may still have it."""

    async def aclose(self) -> None:
        """Closes connections. The database may be used again, which opens it anew."""


class Writes:
    """Whether a database can be written, by its latest writes: reading does not show that its disk is full.

    Keeps failures until a later write of their kind succeeds.
    """

    def __init__(self, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._monotonic = monotonic
        self._failed: dict[Kind, tuple[float, AgentError]] = {}

    def failed(self, kind: Kind, error: AgentError) -> None:
        """Notes that the database could not write."""
        if not self._failed:
            _LOG.error("conversations cannot be stored: %s", error.detail)
        self._failed[kind] = (self._monotonic(), error)

    def succeeded(self, kind: Kind) -> None:
        """Notes that the database has written."""
        if self._failed.pop(kind, None) and not self._failed:
            _LOG.info("conversations can be stored again")

    def check(self) -> None:
        """Raises the last failure."""
        for kind, (at, error) in list(self._failed.items()):
            if self._monotonic() - at < _REMEMBERED_SECONDS:
                raise error.with_traceback(None)
            self.succeeded(kind)
