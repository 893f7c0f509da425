"""What is done to a running cluster."""

import asyncio
from enum import StrEnum

from cluster.cluster import Cluster
from cluster.replica import Replica


class Disturbance(StrEnum):
    """Each stops parts as a failure would, and starts them again at once."""

    REPLICA = "replica killed"
    POSTGRES = "PostgreSQL restarted"
    REDIS = "Redis restarted"
    BOTH = "both restarted"


async def strike(cluster: Cluster, disturbance: Disturbance, replica: Replica) -> None:
    """Returns when the parts have been started. A replica, which is `replica`, needs a few seconds more."""
    match disturbance:
        case Disturbance.REPLICA:
            await asyncio.to_thread(replica.kill)
            replica.start()
        case Disturbance.POSTGRES:
            await asyncio.to_thread(_restart_postgres, cluster)
        case Disturbance.REDIS:
            await asyncio.to_thread(_restart_redis, cluster)
        case Disturbance.BOTH:
            await asyncio.to_thread(cluster.redis.stop)
            await asyncio.to_thread(_restart_postgres, cluster)
            await asyncio.to_thread(cluster.redis.start)


def _restart_postgres(cluster: Cluster) -> None:
    cluster.postgres.stop()
    cluster.postgres.start()


def _restart_redis(cluster: Cluster) -> None:
    cluster.redis.stop()
    cluster.redis.start()
