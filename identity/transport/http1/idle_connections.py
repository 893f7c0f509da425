"""Connections between two requests."""

import asyncio
import time
from collections import defaultdict, deque
from collections.abc import Callable
from typing import Final, TypeAlias

from identity.transport.http1.connection import Connection
from identity.transport.http1.proxy import Proxy

KEEPALIVE_SECONDS: Final = 30.0
"""How long an idle connection is kept. With the libraries' default of 5 seconds, nearly every request to an
agent with little traffic would wait for a new TLS connection: two round trips. A connection that the server
closes earlier is not used any more."""

Origin: TypeAlias = tuple[bool, str, int, Proxy | None]
"""Whether by TLS, host and port, and the proxy on the way."""


class IdleConnections:
    """At most `limit`, each for `KEEPALIVE_SECONDS`. Of one origin the latest is used first."""

    def __init__(self, limit: int, clock: Callable[[], float] = time.monotonic) -> None:
        self._limit = limit
        self._clock = clock
        self._number = 0
        self._kept: defaultdict[Origin, deque[Connection]] = defaultdict(deque)
        self._sweep: asyncio.TimerHandle | None = None

    def take(self, origin: Origin) -> Connection | None:
        """A connection that can be used now, and is not kept any more."""
        kept, loop, oldest = self._kept[origin], asyncio.get_running_loop(), self._clock() - KEEPALIVE_SECONDS
        while kept:
            connection = kept.pop()
            self._number -= 1
            if connection.loop is not loop:  # of a client in two event loops
                continue
            if connection.reusable and connection.idle_since > oldest and not connection.has_unread:
                return connection
            connection.abort()
        return None

    def keep(self, connection: Connection, origin: Origin) -> None:
        """Keeps a connection that is reusable; closes it if there are too many."""
        if self._number >= self._limit:
            connection.abort()
            return
        connection.rest()
        connection.idle_since = self._clock()
        self._kept[origin].append(connection)
        self._number += 1
        if self._sweep is None:
            self._sweep = connection.loop.call_later(KEEPALIVE_SECONDS, self._close_expired)

    def close(self) -> None:
        """Closes all."""
        if self._sweep is not None:
            self._sweep.cancel()
            self._sweep = None
        for kept in self._kept.values():
            for connection in kept:
                connection.abort()
        self._kept.clear()
        self._number = 0

    def _close_expired(self) -> None:
        """After many requests at once, their connections are not kept until the next ones."""
        self._sweep, oldest = None, self._clock() - KEEPALIVE_SECONDS
        for kept in self._kept.values():
            while kept and (kept[0].idle_since <= oldest or not kept[0].reusable):
                kept.popleft().abort()
                self._number -= 1
        if self._number:
            self._sweep = asyncio.get_running_loop().call_later(KEEPALIVE_SECONDS / 2, self._close_expired)
