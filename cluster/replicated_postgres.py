"""PostgreSQL with a standby, behind one address, which is switched when the primary fails."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import ExitStack, asynccontextmanager
from typing import Final

from cluster.balancer import Balancer
from tests.databases.postgres_process import (
    PostgresProcess,
    PostgresStandby,
    postgres_process,
    postgres_standby,
)


class ReplicatedPostgres:
    """A primary, at first without a standby. Its clients know the balancer's address alone.

    Servers that have failed stay stopped.
    """

    def __init__(self, primary: PostgresProcess, balancer: Balancer, servers: ExitStack) -> None:
        """`servers` ends those that are added."""
        self.primary = primary
        """The server that is in service."""
        self.balancer: Final = balancer
        """In front of the server that is in service."""
        self._servers = servers
        self._standby: PostgresStandby | None = None

    @property
    def url(self) -> str:
        """The address of whichever server is in service. It is reached while the event loop runs."""
        return self.primary.url.replace(f":{self.primary.port}/", f":{self.balancer.port}/")

    @property
    def standby(self) -> PostgresStandby:
        """The server that follows the primary."""
        assert self._standby is not None  # noqa: S101 - it was added
        return self._standby

    async def add_standby(self) -> None:
        """Copies the primary, unless it has a standby."""
        if self._standby is None:
            standby = postgres_standby(self.primary)
            self._standby = await asyncio.to_thread(self._servers.enter_context, standby)

    async def fail_over(self) -> None:
        """The primary is gone, and the standby, for which the last commits have waited, has everything."""
        await asyncio.to_thread(self.standby.follow_synchronously, self.primary)
        await self._switch()

    async def fail_over_without(self, lost: Callable[[], Awaitable[object]]) -> None:
        """The primary is gone at once after `lost`, and the standby lacks what is committed meanwhile."""
        await asyncio.to_thread(self.standby.cut_off)
        await lost()
        await self._switch()

    async def _switch(self) -> None:
        failed, standby = self.primary, self.standby
        await asyncio.to_thread(failed.stop)
        await asyncio.to_thread(standby.promote)
        self.primary, self._standby = standby, None
        self.balancer.switch(standby.port)


@asynccontextmanager
async def replicated_postgres(*, fast: bool = True) -> AsyncIterator[ReplicatedPostgres]:
    """Without `fast`, commits are synced to disk. All servers end with the block."""
    servers = ExitStack()
    try:
        primary = await asyncio.to_thread(servers.enter_context, postgres_process(fast=fast))
        async with Balancer([primary.port]) as balancer:
            yield ReplicatedPostgres(primary, balancer, servers)
    finally:
        await asyncio.to_thread(servers.close)
