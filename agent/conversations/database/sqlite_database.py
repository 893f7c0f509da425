"""Conversations in one SQLite file, for the processes of one machine."""

import asyncio
import contextlib
import logging
import os
import sqlite3
import time
from collections import deque
from collections.abc import Callable, Generator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, Final, TypeAlias, TypeVar
from urllib.parse import quote

from agent.conversations.database.database import Kind, Rows, Statement, Transaction, Writes, query
from agent.conversations.database.schema import APPLICATION_ID, SCHEMA_VERSION, SQLITE_TYPES, migrations
from agent.errors.error_codes import AgentCode
from identity.errors import AgentError, ConfigurationError, UnavailableError

T = TypeVar("T")

_LOG: Final = logging.getLogger("idaas_agent.conversations")
_BUSY_SECONDS: Final = 5.0
_PAUSE_SECONDS: Final = 0.01
_DAMAGED: Final = ("SQLITE_CORRUPT", "SQLITE_NOTADB")
_Result: TypeAlias = tuple[asyncio.Future[Any], Any, BaseException | None]

_MOST_AT_ONCE: Final = 32
"""Pieces of work between two reports: the first one's caller waits for the last one."""


class WorkThread:
    """Waking a thread and an event loop costs as much as a small transaction, so it is done for many."""

    def __init__(self, name: str) -> None:
        self._executor = ThreadPoolExecutor(1, thread_name_prefix=name)
        self._waiting: deque[tuple[asyncio.Future[Any], Callable[[], Any]]] = deque()
        self._working = False

    async def do(self, work: Callable[[], T]) -> T:
        """The result of `work`, or what it raises. It is done also if the caller is cancelled meanwhile."""
        future = asyncio.get_running_loop().create_future()
        self._waiting.append((future, work))
        if not self._working:
            self._working = True
            self._executor.submit(self._work)
        result: T = await future
        return result

    def close(self) -> None:
        """Ends the thread when its work is done. Does not wait."""
        self._executor.shutdown(wait=False)

    def _work(self) -> None:
        """In the thread. Only the event loop adds work and decides whether the thread goes on."""
        results: list[_Result] = []
        while self._waiting and len(results) < _MOST_AT_ONCE:
            future, work = self._waiting.popleft()
            try:
                results.append((future, work(), None))
            except BaseException as error:  # noqa: BLE001 - it is raised in the caller
                results.append((future, None, error))
        with contextlib.suppress(RuntimeError):  # the event loop has ended
            results[0][0].get_loop().call_soon_threadsafe(self._report, results)

    def _report(self, results: list[_Result]) -> None:
        """In the event loop."""
        if self._waiting:
            self._executor.submit(self._work)
        else:
            self._working = False
        for future, result, error in results:
            if future.done():  # the caller was cancelled
                continue
            if error is not None:
                future.set_exception(error)
            else:
                future.set_result(result)


class SqliteDatabase:
    """A `Database` in the file `path`, which the first transaction creates, with mode 600.

    A transaction costs one hop to a thread of its own, whatever the number of its statements. The file has a
    write-ahead log: what is committed outlasts the process, and with `durable` a failure of power (fsync).
    Several processes of one machine may share the file, but not over a network file system. What is deleted
    is overwritten.
    """

    def __init__(
        self,
        path: Path,
        on_open: Callable[[], Transaction[None]] | None = None,
        *,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        """`on_open` is the first transaction of each connection."""
        self._path = path
        self._writes = Writes(monotonic)
        self._on_open = on_open
        self._thread: WorkThread | None = None
        self._connection: sqlite3.Connection | None = None
        self._opened_file: tuple[int, int] | None = None

    async def read(self, work: Callable[[], Transaction[T]]) -> T:
        return await self._in_thread(lambda: self._transaction("BEGIN", work))

    async def write(self, work: Callable[[], Transaction[T]], *, durable: bool = False) -> T:
        """See `Database`. Waits at most five seconds for another process."""
        return await self._written("write", work, durable=durable)

    async def batches(self, work: Callable[[], Transaction[T]]) -> T:
        """See `Database`. All are one transaction."""
        return await self._written("batches", work)

    async def check(self) -> str:
        """See `Database`. A file that is not there is not created."""
        version = await self._in_thread(self._check)
        self._writes.check()
        return version

    async def exists(self) -> bool:
        return await self._in_thread(lambda: os.path.lexists(self._path))

    async def scrub(self) -> None:
        """See `Database`. The log of writes is emptied, unless another process is reading it."""
        await self._in_thread(self._scrub)

    async def aclose(self) -> None:
        if (thread := self._thread) is not None:
            await self._in_thread(self._close)
            self._thread = None
            thread.close()

    async def _written(self, kind: Kind, work: Callable[[], Transaction[T]], *, durable: bool = False) -> T:
        # The lock is taken at once: a transaction that begins as a reader cannot wait for it later.
        try:
            result = await self._in_thread(
                lambda: self._transaction("BEGIN IMMEDIATE", work, durable=durable)
            )
        except UnavailableError as error:
            self._writes.failed(kind, error)
            raise
        self._writes.succeeded(kind)
        return result

    async def _in_thread(self, work: Callable[[], T]) -> T:
        if self._thread is None:
            self._thread = WorkThread("conversations")

        def done() -> T:
            try:
                return work()
            except sqlite3.Error as error:
                self._close()
                raise self._failure(error) from None
            except OSError as error:
                raise self._unavailable((error.strerror or "it cannot be opened").lower()) from None

        return await self._thread.do(done)

    def _transaction(self, begin: str, work: Callable[[], Transaction[T]], *, durable: bool = False) -> T:
        if self._was_removed():
            _LOG.error('file "%s" was removed or replaced: what it contained is lost', self._path)
            self._close()  # what is written to the open one would be lost
            self._opened_file = None
        if (connection := self._connection) is None:
            connection = self._connection = self._open()
            self._opened_file = self._file()
            if self._on_open is not None:
                try:
                    self._transaction("BEGIN IMMEDIATE", self._on_open)
                except BaseException:
                    self._close()
                    raise
        if durable:
            connection.execute("PRAGMA synchronous = FULL")
        connection.execute(begin)
        try:
            result = _driven(connection, work())
            connection.execute("COMMIT")
        except BaseException:
            with contextlib.suppress(sqlite3.Error):
                connection.execute("ROLLBACK")
            raise
        finally:
            if durable:
                connection.execute("PRAGMA synchronous = NORMAL")
        return result

    def _open(self) -> sqlite3.Connection:
        self._path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        # Closing any descriptor of a database drops the process's locks on it, so only a new file is opened.
        with contextlib.suppress(FileExistsError):
            os.close(os.open(self._path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600))
        connection = sqlite3.connect(
            f"file:{quote(str(self._path))}?mode=rw",
            uri=True,
            isolation_level=None,
            timeout=_BUSY_SECONDS,
            check_same_thread=False,  # a cancelled event loop may leave closing it to the interpreter
        )
        try:
            self._prepare_or_wait(connection)
        except BaseException:
            connection.close()
            raise
        return connection

    def _file(self) -> tuple[int, int] | None:
        with contextlib.suppress(FileNotFoundError):
            status = self._path.stat()
            return status.st_dev, status.st_ino
        return None

    def _was_removed(self) -> bool:
        """Whether the file that was used is not there any more, or another one is."""
        return self._opened_file is not None and self._file() != self._opened_file

    def _prepare_or_wait(self, connection: sqlite3.Connection) -> None:
        """SQLite does not wait itself for another process that changes the journal of a new file."""
        until = time.monotonic() + _BUSY_SECONDS
        while True:
            try:
                return self._prepare(connection)
            except sqlite3.OperationalError as error:
                if error.sqlite_errorname != "SQLITE_BUSY" or time.monotonic() > until:
                    raise
            if connection.in_transaction:
                connection.execute("ROLLBACK")
            time.sleep(_PAUSE_SECONDS)

    def _prepare(self, connection: sqlite3.Connection) -> None:
        connection.execute("PRAGMA trusted_schema = OFF")
        connection.execute("BEGIN")  # so that another process that migrates is seen before or after it
        version = self._version(connection)
        connection.execute("COMMIT")
        if version == 0:
            connection.execute("PRAGMA auto_vacuum = FULL")
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute("PRAGMA synchronous = NORMAL")
        connection.execute("PRAGMA secure_delete = ON")
        if migrations(version, SQLITE_TYPES):
            connection.execute("BEGIN IMMEDIATE")  # of several processes that start at once, one migrates
            for statement in migrations(self._version(connection), SQLITE_TYPES):
                connection.execute(statement)
            connection.execute(f"PRAGMA application_id = {APPLICATION_ID}")
            connection.execute(f"PRAGMA user_version = {SCHEMA_VERSION}")
            connection.execute("COMMIT")

    def _version(self, connection: sqlite3.Connection) -> int:
        """The version of the file's tables, 0 for an empty file. Raises if the file is not the agent's."""
        [application] = connection.execute("PRAGMA application_id").fetchone()
        [version] = connection.execute("PRAGMA user_version").fetchone()
        [tables] = connection.execute("SELECT count(*) FROM sqlite_schema").fetchone()
        if application != APPLICATION_ID and (application or version or tables):
            raise self._unusable("it is a database of another program")
        return int(version)

    def _check(self) -> str:
        if self._was_removed():
            raise self._unavailable("it was removed or replaced while it was used")
        if not os.path.lexists(self._path):
            folder = self._path.parent
            while not folder.exists():
                folder = folder.parent
            if not os.access(folder, os.W_OK | os.X_OK):
                raise self._unavailable("no file may be made in its folder")
            return f"{self._path} is created by the first conversation"
        if not os.access(self._path, os.R_OK | os.W_OK):
            raise self._unavailable("it cannot be read and written")
        self._transaction("BEGIN", lambda: query("SELECT 1 FROM threads LIMIT 1"))
        return f"{self._path}, tables of version {SCHEMA_VERSION}"

    def _scrub(self) -> None:
        if self._connection is not None:
            self._connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")

    def _close(self) -> None:
        connection = self._connection
        self._connection = None
        if connection is not None:
            with contextlib.suppress(sqlite3.Error):
                connection.close()

    def _failure(self, error: sqlite3.Error) -> AgentError:
        name = getattr(error, "sqlite_errorname", type(error).__name__)
        if name.startswith(_DAMAGED):
            return self._unusable(f"it is damaged, or no database ({name})")
        return self._unavailable(f"SQLite failed ({name})")

    def _unusable(self, why: str) -> ConfigurationError:
        return ConfigurationError(AgentCode.CONVERSATIONS_UNAVAILABLE, [f'file "{self._path}": {why}'])

    def _unavailable(self, why: str) -> UnavailableError:
        return UnavailableError(AgentCode.CONVERSATIONS_UNAVAILABLE, f'file "{self._path}": {why}')


def _driven(
    connection: sqlite3.Connection, transaction: Generator[Sequence[Statement], Sequence[Rows], T]
) -> T:
    try:
        statements = next(transaction)
        while True:
            rows = [
                connection.execute(statement.sql, statement.values).fetchall() for statement in statements
            ]
            statements = transaction.send(rows)
    except StopIteration as end:
        result: T = end.value
        return result
