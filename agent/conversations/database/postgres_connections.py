"""Connections to PostgreSQL: opened as they are needed, and kept for the next transaction."""

import asyncio
import re
import select
from collections import deque
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager, suppress
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, TypeAlias

from agent.errors.error_codes import AgentCode
from http1.transport import PoolUse
from identity.errors import UnavailableError
from identity.secrets.secret import Secret

if TYPE_CHECKING:
    from psycopg import AsyncConnection

    Connection: TypeAlias = AsyncConnection[tuple[Any, ...]]


SCHEMA: Final = "idaas_agent"
"""The schema of all tables: another program may use the same names in the same database."""

_LOCAL: Final = ("", "localhost", "127.0.0.1", "::1")
_SESSION: Final = {
    "search_path": SCHEMA,
    "statement_timeout": "8s",
    "lock_timeout": "5s",
    "idle_in_transaction_session_timeout": "15s",
}
LONGEST_WAIT: Final = 30.0
"""Seconds in which a transaction waits for a connection at most, while the server responds to others."""
_CONNECT_SECONDS: Final = 5
_SILENT_MILLISECONDS: Final = 10_000
_REASONS: Final = (
    (r"password|authentication", "it does not accept the user or the password"),
    (r"database .* does not exist", "it has no such database"),
    (r"role .* does not exist", "it does not accept the user or the password"),
    (r"permission denied|no schema has been selected", "the user may not make or use the tables"),
    (r"certificate|SSL|TLS", "it does not speak TLS, or its certificate is not trusted"),
    (r"translate host name|resolve|Name or service", "its name is not known"),
    (r"refused|timeout|timed out|unreachable|No route", "it does not respond"),
    (r"too many|connection slots", "it has no connection left"),
    (r"No space left|disk is full", "its disk is full"),
    (r"starting up|shutting down|recovery|read-only", "it is starting, stopping or a standby"),
)


def failure(error: Exception) -> UnavailableError | None:
    """The error for an exception of psycopg, or of a connection that takes too long; `None` for any other."""
    import psycopg

    if isinstance(error, TimeoutError):
        return unavailable("it does not respond")
    if not isinstance(error, psycopg.Error):
        return None
    if isinstance(error, psycopg.OperationalError | psycopg.ProgrammingError | psycopg.InternalError):
        for pattern, reason in _REASONS:
            if re.search(pattern, str(error)):
                return unavailable(reason)
    return unavailable(f"it failed ({type(error).__name__})")


def unavailable(why: str, code: AgentCode = AgentCode.CONVERSATIONS_UNAVAILABLE) -> UnavailableError:
    """The error for a server that cannot be used now."""
    return UnavailableError(code, f"PostgreSQL of CONVERSATIONS_URL: {why}")


def conninfo(url: Secret, cafile: Path | None = None) -> Secret:
    """`url` with what every connection has. Of another machine, the certificate and the name are verified,
    unless `url` names another `sslmode`. Wherever a certificate is verified, its authority is one of `cafile`
    or of the system, unless `url` names others.
    """
    from psycopg.conninfo import conninfo_to_dict, make_conninfo

    of_url = conninfo_to_dict(url.reveal())
    members: dict[str, Any] = {
        "application_name": "idaas-agent",
        "connect_timeout": _CONNECT_SECONDS,
        "tcp_user_timeout": _SILENT_MILLISECONDS,
        "keepalives_idle": 30,
    }
    hosts = str(of_url.get("host") or "").split(",")
    is_local = all(host.startswith("/") or host in _LOCAL for host in hosts)
    default_mode = None if is_local else "verify-full"
    mode = of_url.get("sslmode", default_mode)
    if mode is not None:
        members["sslmode"] = mode
    if mode == "verify-full":
        members["sslrootcert"] = str(cafile or "system")
    elif cafile is not None and (mode == "verify-ca" or (mode == "require" and not is_local)):
        members["sslrootcert"] = str(cafile)  # libpq takes `system` with `verify-full` only
    options = " ".join(f"-c {name}={value}" for name, value in _SESSION.items())
    return Secret(make_conninfo(**(members | of_url | {"options": options})))


class PostgresConnections:
    """At most `most` connections. Those that are not used stay open, the last used first.

    A connection that cannot be opened is an error at once, and the next attempt a new one: nothing waits for
    a server that is away, and nothing has to be told that it is back. Who waits for one of the connections
    does so while the server responds to others: a burst of requests is no outage.
    """

    def __init__(self, conninfo: Secret, *, most: int = 10) -> None:
        self._conninfo = conninfo
        self._free = asyncio.Semaphore(most)
        self._idle: deque[Connection] = deque()
        self._responded_at = float("-inf")
        """When the server last did what a transaction needed, by the event loop's clock."""
        self.pool_use: Final = PoolUse()
        self.pool_use.limit = most

    @asynccontextmanager
    async def connection(self, seconds: float) -> AsyncGenerator["Connection"]:
        """A connection without a transaction, for `seconds` at most. One that is left in a transaction, is
        broken, or with which something failed is closed: its server may have become a standby.

        Raises `TimeoutError` also if the server has responded to nobody for `seconds`, and `UnavailableError`
        (`overloaded`) if no connection was free for half a minute, although it responds.
        """
        from psycopg import Error
        from psycopg.pq import TransactionStatus

        async with self._turn(seconds), asyncio.timeout(seconds):
            connection = await self._kept() or await self._opened()
            failed = False
            self.pool_use.in_use += 1
            try:
                yield connection
            except Exception as error:
                failed = isinstance(error, Error)
                raise
            finally:
                self.pool_use.in_use -= 1
                status = None if failed or connection.closed else connection.info.transaction_status
                if status is TransactionStatus.IDLE:
                    self._idle.append(connection)
                    self._responded_at = asyncio.get_running_loop().time()
                else:
                    await _close(connection)

    @asynccontextmanager
    async def _turn(self, seconds: float) -> AsyncGenerator[None]:
        """Waits until one of the connections is free, and occupies it. See `connection`."""
        loop = asyncio.get_running_loop()
        began = loop.time()
        last = began + LONGEST_WAIT
        timer: asyncio.TimerHandle | None = None
        try:
            async with asyncio.timeout(None) as limit:

                def end_or_go_on() -> None:
                    nonlocal timer
                    until = min(max(began, self._responded_at) + seconds, last)
                    if loop.time() >= until:
                        limit.reschedule(until)
                    else:
                        timer = loop.call_at(until, end_or_go_on)

                end_or_go_on()
                await self._free.acquire()
        except TimeoutError:
            if loop.time() < last:
                raise
            raise unavailable(
                f"no connection of this process was free in {LONGEST_WAIT:g} s", AgentCode.OVERLOADED
            ) from None
        finally:
            if timer is not None:
                timer.cancel()
        try:
            yield
        finally:
            self._free.release()

    async def _kept(self) -> "Connection | None":
        """A connection that was not closed by the server meanwhile: it sends nothing unless it is asked."""
        while self._idle:
            connection = self._idle.pop()
            waiting = select.poll()
            waiting.register(connection.fileno(), select.POLLIN)
            if not waiting.poll(0):
                return connection
            await _close(connection)
        return None

    async def drop_idle(self) -> None:
        """Closes the connections that are not used: at the end, or because one was found broken."""
        while self._idle:
            await _close(self._idle.pop())

    async def _opened(self) -> "Connection":
        async with asyncio.timeout(_CONNECT_SECONDS):
            return await _connection_type().connect(self._conninfo.reveal(), autocommit=True)


@cache
def _connection_type() -> "type[Connection]":
    """The import is here because it takes time, and most agents use no PostgreSQL."""
    from psycopg import AsyncConnection, waiting

    class PromptConnection(AsyncConnection[Any]):
        """Ends at once when what uses it is cancelled: the base would ask the server to cancel it first, and
        wait for a server that hangs, for ten seconds.
        """

        async def wait(self, gen: Any, interval: float = 0.1, timeout: float | None = None) -> Any:  # noqa: ANN401, ASYNC109 - the base's
            try:
                return await waiting.wait_async(gen, self.pgconn.socket, interval, timeout)
            except asyncio.CancelledError:
                self.pgconn.finish()
                raise

    return PromptConnection


async def _close(connection: "Connection") -> None:
    with suppress(Exception):
        await connection.close()
