"""What is done to running processes."""

import asyncio
from enum import StrEnum
from typing import Final, Protocol

from tests.databases.postgres_process import PostgresProcess
from tests.databases.redis_process import RedisProcess


class Disturbance(StrEnum):
    """Each stops parts as a failure would, and starts them again at once. What hangs goes on later."""

    REPLICA = "replica killed"
    REPLICA_HANGS = "replica hangs"
    WORKER = "worker killed"
    SERVER = "server killed"
    POSTGRES = "PostgreSQL restarted"
    POSTGRES_HANGS = "PostgreSQL hangs"
    REDIS = "Redis restarted"
    BOTH = "both restarted"


HANG_SECONDS: Final = 15.0
"""Longer than a transaction may take, and than the heartbeat of a replica may be missed."""


class Databases(Protocol):
    """What processes share."""

    @property
    def postgres(self) -> PostgresProcess:
        """Stops as a failure stops it."""
        ...

    @property
    def redis(self) -> RedisProcess:
        """Likewise."""
        ...


async def restart(databases: Databases, disturbance: Disturbance) -> None:
    """Returns when they have been started. Does nothing for disturbances of processes."""
    if disturbance is Disturbance.POSTGRES_HANGS:
        with databases.postgres.hanging():
            await asyncio.sleep(HANG_SECONDS)
    if disturbance in (Disturbance.REDIS, Disturbance.BOTH):
        await asyncio.to_thread(databases.redis.stop)
    if disturbance in (Disturbance.POSTGRES, Disturbance.BOTH):
        await asyncio.to_thread(databases.postgres.stop)
        await asyncio.to_thread(databases.postgres.start)
    if disturbance in (Disturbance.REDIS, Disturbance.BOTH):
        await asyncio.to_thread(databases.redis.start)
