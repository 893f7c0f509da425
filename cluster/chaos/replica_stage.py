"""A cluster of replicas as the stage of rounds."""

import asyncio
import random
import time
from collections.abc import AsyncIterator, Collection, Iterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from functools import partial
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
    Disturbance.FAILOVER,
    Disturbance.LOSING_FAILOVER,
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
_DISABLED: Final = "alice"
"""A user whom IDaaS disables in the moment before a failover, and who is none of those who chat."""
_WRITTEN_BACK_SECONDS: Final = 10.0
"""Within so many seconds what a failover has lost is in the database again."""
_VARIABLES: Final = {
    "AUDIT_REQUIRED": "true",  # else a killed process loses the records of its last moment
    "CONVERSATIONS_KEY_FILE": "",  # in clear, so that the search for leaks can read them
}
_PAUSE_SECONDS: Final = 0.1
_HAS: Final = "SELECT count(*) FROM idaas_agent.revocations WHERE name = %s AND changed_at >= %s"
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
        self._revoked = [running.sandbox.cloud.user_token(_REVOKED, lifetime=_LIFETIME)]
        self._disabled_at: float | None = None
        """By IDaaS's clock. A replica has acknowledged it."""
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
        if disturbance is Disturbance.FAILOVER:
            await self._cluster.database.fail_over()
        if disturbance is Disturbance.LOSING_FAILOVER:
            await self._cluster.database.fail_over_without(partial(self._disable, replica))
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
        """What the replicas that do not respond have logged, those that accept what was revoked, and what the
        database lacks of it.
        """
        await self._cluster.database.add_standby()
        found = await asyncio.to_thread(self._lost)
        for replica in self._cluster.replicas:
            try:
                await replica.ready()
            except RuntimeError as error:
                found.append(str(error))
                continue
            async with _http(replica) as http:
                for token in self._revoked:
                    response = await http.get(
                        "/openai/v1/models", headers={"Authorization": f"Bearer {token}"}
                    )
                    if "access_revoked" not in response.text:
                        found.append(
                            f"{replica.name} answers {response.status_code} to a token that was revoked"
                        )
        return found

    async def _disable(self, replica: Replica) -> None:
        """IDaaS disables a user, who has a token, and reports it to one replica."""
        cloud = self.sandbox.cloud
        self._revoked.append(cloud.user_token(_DISABLED, lifetime=_LIFETIME))
        self._disabled_at = cloud.clock() - 0.001  # events have milliseconds
        cloud.user_events_url = f"http://127.0.0.1:{replica.port}/events/idaas"
        async with httpx.AsyncClient(trust_env=False) as http:
            changed = await http.post(f"{cloud.addresses.idaas_plain}/__sandbox__/users/{_DISABLED}/disable")
        reported = changed.raise_for_status().json()["reported"]
        assert reported["successEvents"], reported  # noqa: S101 - all replicas live

    def _lost(self) -> list[str]:
        """Whether the database lacks the latest revocation of the disabled user, also after some seconds."""
        if self._disabled_at is None:
            return []
        values = self.sandbox.cloud.directory.users[_DISABLED].subject, self._disabled_at
        until = time.monotonic() + _WRITTEN_BACK_SECONDS
        with psycopg.connect(self._cluster.postgres.url, autocommit=True) as connection:
            while connection.execute(_HAS, values).fetchone() == (0,):
                if time.monotonic() > until:
                    return [
                        f"an acknowledged revocation is not in the database after {_WRITTEN_BACK_SECONDS:g} s"
                    ]
                time.sleep(_PAUSE_SECONDS)
        return []

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
        await running.database.add_standby()
        yield await asyncio.to_thread(ReplicaStage, running)  # its command needs the database
