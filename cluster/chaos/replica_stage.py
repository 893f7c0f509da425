"""A cluster of replicas as the stage of rounds."""

import asyncio
import random
from collections.abc import AsyncIterator, Collection, Iterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Final

import httpx
import psycopg

from cluster.chaos.invariants import dumped
from cluster.chaos.stage import HANG_SECONDS, Disturbance, restart
from cluster.cluster import Cluster, cluster
from cluster.demonstration import people
from cluster.person import Person, Step
from cluster.replica import Replica

STRIKES: Final = (
    Disturbance.REPLICA,
    Disturbance.REPLICA_HANGS,
    Disturbance.POSTGRES,
    Disturbance.POSTGRES_HANGS,
    Disturbance.REDIS,
    Disturbance.REDIS_FORGETS,
    Disturbance.BOTH,
    Disturbance.SLOW_PATH,
    Disturbance.REPEATED,
)
_LIFETIME: Final = 86_400
_SLOW_SECONDS: Final = 0.4
"""For each piece, in each direction."""
_REVOKED: Final = "bob"
"""A user whose tokens are revoked before the first round, and who is none of those who chat."""
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
        self._people: Sequence[Person] = ()
        self._revoked = running.sandbox.cloud.user_token(_REVOKED, lifetime=_LIFETIME)
        subject = running.sandbox.cloud.directory.users[_REVOKED].subject
        running.replicas[0].command("revoke", "--user", subject)

    def audit_logs(self) -> Sequence[Path]:
        """One of each replica."""
        return self._cluster.audit_logs()

    @asynccontextmanager
    async def people(self, names: Sequence[str]) -> AsyncIterator[Sequence[Person]]:
        """With clients of the balancer."""
        async with people(self._cluster, names) as self._people:
            yield self._people

    async def strike(self, disturbance: Disturbance, seed: int, aimed: Collection[str]) -> None:  # noqa: ARG002 - no round aims
        """A replica that is killed needs a few seconds more, until `recovered`. What each person sent last is
        sent again to each replica at once.
        """
        await restart(self._cluster, disturbance)
        replica = random.Random(seed).choice(self._cluster.replicas)  # noqa: S311 - the same again
        if disturbance is Disturbance.REPLICA:
            await asyncio.to_thread(replica.kill)
            replica.start()
        if disturbance is Disturbance.REPLICA_HANGS:
            with replica.hanging():
                await asyncio.sleep(HANG_SECONDS)
        if disturbance is Disturbance.SLOW_PATH:
            self._cluster.balancer.delays[replica.port] = _SLOW_SECONDS
            await asyncio.sleep(HANG_SECONDS)
            self._cluster.balancer.delays.clear()
        if disturbance is Disturbance.REPEATED:
            again = [each for each in self._people if each.step not in (Step.NOT_BEGUN, Step.ENDED)]
            async with AsyncExitStack() as clients:
                replicas = [await clients.enter_async_context(_http(each)) for each in self._cluster.replicas]
                await asyncio.gather(*(person.repeat(each) for person in again for each in replicas))

    async def recovered(self) -> list[str]:
        """What the replicas that do not respond have logged, and those that accept what was revoked."""
        found = []
        for replica in self._cluster.replicas:
            try:
                await replica.ready()
            except RuntimeError as error:
                found.append(str(error))
                continue
            async with _http(replica) as http:
                response = await http.get(
                    "/openai/v1/models", headers={"Authorization": f"Bearer {self._revoked}"}
                )
            if "access_revoked" not in response.text:
                found.append(f"{replica.name} answers {response.status_code} to a token that was revoked")
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


def _http(replica: Replica) -> httpx.AsyncClient:
    return httpx.AsyncClient(base_url=f"http://127.0.0.1:{replica.port}", timeout=60, trust_env=False)


@asynccontextmanager
async def replica_stage() -> AsyncIterator[ReplicaStage]:
    """Two replicas, until the end."""
    async with cluster(variables=_VARIABLES) as running:
        yield ReplicaStage(running)
