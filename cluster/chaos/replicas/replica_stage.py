"""A cluster of replicas as the stage of rounds."""

import asyncio
import random
from collections.abc import AsyncIterator, Collection, Iterator, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path
from typing import Final

import psycopg

from cluster.chaos.disturbance import HANG_SECONDS, Disturbance, restart
from cluster.chaos.leaks import dumped
from cluster.cluster import Cluster, cluster
from cluster.demonstration import people
from cluster.person import Person

STRIKES: Final = (
    Disturbance.REPLICA,
    Disturbance.REPLICA_HANGS,
    Disturbance.POSTGRES,
    Disturbance.POSTGRES_HANGS,
    Disturbance.REDIS,
    Disturbance.BOTH,
)
_VARIABLES: Final = {
    "AUDIT_REQUIRED": "true",  # else a killed process loses the records of its last moment
    "CONVERSATIONS_KEY_FILE": "",  # in clear, so that the search for leaks can read them
}
_LEFT: Final = {
    "runs are running": "SELECT count(*) FROM idaas_agent.threads WHERE status = 'running'",
    "approvals are open": "SELECT count(*) FROM idaas_agent.approvals WHERE status = 'open'",
}


class ReplicaStage:
    """See `Stage`."""

    def __init__(self, running: Cluster) -> None:
        self._cluster = running
        self.sandbox: Final = running.sandbox

    def audit_logs(self) -> Sequence[Path]:
        """One of each replica."""
        return self._cluster.audit_logs()

    def people(self, names: Sequence[str]) -> AbstractAsyncContextManager[Sequence[Person]]:
        """With clients of the balancer."""
        return people(self._cluster, names)

    async def strike(self, disturbance: Disturbance, seed: int, aimed: Collection[str]) -> None:  # noqa: ARG002 - no round aims
        """A replica that is killed needs a few seconds more, until `recovered`."""
        await restart(self._cluster, disturbance)
        replica = random.Random(seed).choice(self._cluster.replicas)  # noqa: S311 - the same again
        if disturbance is Disturbance.REPLICA:
            await asyncio.to_thread(replica.kill)
            replica.start()
        if disturbance is Disturbance.REPLICA_HANGS:
            with replica.hanging():
                await asyncio.sleep(HANG_SECONDS)

    async def recovered(self) -> list[str]:
        """What the replicas that do not respond have logged."""
        found = []
        for replica in self._cluster.replicas:
            try:
                await replica.ready()
            except RuntimeError as error:
                found.append(str(error))
        return found

    def left_over(self) -> list[str]:
        """What the database shows as going on, although everybody has their answer."""
        with psycopg.connect(self._cluster.postgres.url) as connection:
            counted = {what: connection.execute(query).fetchone() for what, query in _LEFT.items()}
        return [f"{row[0]} {what} in the database" for what, row in counted.items() if row and row[0]]

    def stored(self) -> Iterator[tuple[str, str]]:
        """All that outlasts a run, by its place: the database, Redis, logs, audit logs."""
        yield "the database", dumped(self._cluster.postgres)
        yield "Redis", self._cluster.redis.contents()
        for replica in self._cluster.replicas:
            yield f"the log of {replica.name}", replica.log.read_text(errors="replace")
        for log in self.audit_logs():
            yield log.name, log.read_text(errors="replace")

    def secrets(self) -> dict[str, str]:
        """Secrets of the processes by name, besides those of the sandbox."""
        return {}


@asynccontextmanager
async def replica_stage() -> AsyncIterator[ReplicaStage]:
    """Two replicas, until the end."""
    async with cluster(variables=_VARIABLES) as running:
        yield ReplicaStage(running)
