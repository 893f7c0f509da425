"""The seam between a round and the processes that it disturbs: what is done to them, and when."""

import asyncio
from collections.abc import Awaitable, Callable, Collection, Sequence
from contextlib import AbstractAsyncContextManager
from enum import StrEnum
from pathlib import Path
from typing import Any, Final, Protocol, TypeAlias

from cluster.person import Step
from sandbox.server.server import RunningSandbox
from tests.databases.postgres_process import PostgresProcess
from tests.databases.redis_process import RedisProcess

HANG_SECONDS: Final = 15.0
"""Longer than a transaction may take, and than the heartbeat of a replica may be missed."""
_TICK: Final = 0.01
_PATIENCE: Final = 2.0
"""Seconds after which one chat at a step is enough."""


class Disturbance(StrEnum):
    """Each stops parts as a failure would, and starts them again at once. What hangs goes on later.

    A failover stops PostgreSQL for good: a standby is promoted, and the address is switched to it. It has
    everything, or lacks what was committed in the moment before, a revocation among it.

    Two stop nothing: the path to one process delays what it passes on, and clients send the same again while
    the first is in progress.
    """

    REPLICA = "replica killed"
    REPLICA_HANGS = "replica hangs"
    WORKER = "worker killed"
    SERVER = "server killed"
    POSTGRES = "PostgreSQL restarted"
    POSTGRES_HANGS = "PostgreSQL hangs"
    FAILOVER = "PostgreSQL fails over"
    LOSING_FAILOVER = "failover loses the latest"
    REDIS = "Redis restarted"
    REDIS_FORGETS = "Redis emptied"
    BOTH = "both restarted"
    SLOW_PATH = "slow path to one"
    REPEATED = "sent again elsewhere"


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


class Chatter(Protocol):
    """A person with a client that does not give up (`cluster.person`)."""

    name: str
    thread_id: str
    step: Step
    approvals: int
    seen: list[str]
    tokens: list[str]

    @property
    def waits(self) -> bool:
        """The run waits for an approval of this person."""
        ...

    async def ask(self, text: str) -> None:
        """Returns when the run has ended, or waits for an approval."""
        ...

    async def approve(self) -> None:
        """Approves what the run waits for. Returns as `ask` does."""
        ...

    async def stored(self) -> dict[str, Any]:
        """The conversation as it is stored, in the form of `GET /threads/{id}`. Raises `httpx.HTTPError`."""
        ...


class Stage(Protocol):
    """Processes with all that they share, running."""

    @property
    def sandbox(self) -> RunningSandbox:
        """The cloud of all processes."""
        ...

    def audit_logs(self) -> Sequence[Path]:
        """Those of all processes."""
        ...

    def people(self, names: Sequence[str]) -> AbstractAsyncContextManager[Sequence[Chatter]]:
        """Users of the sandbox, each with a client."""
        ...

    async def strike(
        self, disturbance: Disturbance, seed: int, aimed: Collection[str]
    ) -> Collection[str] | None:
        """Stops parts as a failure would, and starts them again. Where there is a choice, it is that which
        executes the runs of the threads `aimed`, or that of `seed`.

        Returns the threads whose runs were cut off, where only some are concerned; `None`: all are.
        """
        ...

    async def recovered(self) -> list[str]:
        """Waits until all parts respond; what does not respond."""
        ...


Moment: TypeAlias = Callable[[Sequence[Chatter]], Awaitable[Sequence[Chatter]]]
"""Returns at the moment of the strike, while these people chat: those at whom it aims, if at any."""


def after(seconds: float) -> Moment:
    """So long after the beginning."""

    async def moment(_: Sequence[Chatter]) -> Sequence[Chatter]:
        await asyncio.sleep(seconds)
        return []

    return moment


def at(step: Step, later: float) -> Moment:
    """When two chats have been at `step` for `later` seconds, or one has and more do not come.

    Also when all have ended: then a round strikes nothing.
    """

    async def moment(people: Sequence[Chatter]) -> Sequence[Chatter]:
        enough, loop = 2, asyncio.get_running_loop()
        patient_until = loop.time() + _PATIENCE
        while any(person.step is not Step.ENDED for person in people):
            if sum(person.step is step for person in people) >= enough:
                await asyncio.sleep(later)
                if there := [person for person in people if person.step is step]:
                    return there
            if loop.time() > patient_until:
                enough = 1
            await asyncio.sleep(_TICK)  # clients say at which step they are, and do not report it
        return []

    return moment
