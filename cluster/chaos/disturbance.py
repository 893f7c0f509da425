"""What is done to running processes."""

import asyncio
from enum import StrEnum
from typing import Final, Protocol

from tests.databases.postgres_process import PostgresProcess
from tests.databases.redis_process import RedisProcess


class Disturbance(StrEnum):
    """Each stops parts as a failure would, and starts them again at once. What hangs goes on later.

    Two stop nothing: the path to one process delays what it passes on, and clients send the same again while
    the first is in progress.
    """

    REPLICA = "replica killed"
    REPLICA_HANGS = "replica hangs"
    WORKER = "worker killed"
    SERVER = "server killed"
    POSTGRES = "PostgreSQL restarted"
    POSTGRES_HANGS = "PostgreSQL hangs"
    REDIS = "Redis restarted"
    REDIS_FORGETS = "Redis emptied"
    BOTH = "both restarted"
    SLOW_PATH = "slow path to one"
    REPEATED = "sent again elsewhere"


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
    if disturbance is Disturbance.REDIS_FORGETS:
        await asyncio.to_thread(databases.redis.forget)
    if disturbance in (Disturbance.REDIS, Disturbance.BOTH):
        await asyncio.to_thread(databases.redis.stop)
    if disturbance in (Disturbance.POSTGRES, Disturbance.BOTH):
        await asyncio.to_thread(databases.postgres.stop)
        await asyncio.to_thread(databases.postgres.start)
    if disturbance in (Disturbance.REDIS, Disturbance.BOTH):
        await asyncio.to_thread(databases.redis.start)
