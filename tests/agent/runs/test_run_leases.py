"""A user's runs are limited over all processes; what a killed process leaves behind ends by itself."""

import asyncio
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import pytest
from redis.asyncio import Redis

from agent.background import end_tasks
from agent.errors.error_codes import AgentCode
from agent.redis import SharedRedis
from agent.runs.run_limits import LEASE_SECONDS, RunLeases
from identity.errors import LimitError
from identity.principal import Principal
from identity.secrets.secret import Secret
from tests.databases.redis_process import RedisProcess, redis_process

pytestmark = pytest.mark.promise("bounded")

ALICE, BOB = Principal("https://idaas.example", "alice"), Principal("https://idaas.example", "bob")


class Run:
    """A run that ends when the test ends it."""

    def __init__(self) -> None:
        self._over = asyncio.Event()
        self.task: asyncio.Task[Any] = asyncio.create_task(self._over.wait())

    async def end(self) -> None:
        self._over.set()
        await self.task


async def only_short(seconds: float) -> None:
    """Leases are renewed when the test does it."""
    if seconds > 1:
        await asyncio.Event().wait()


class Process:
    """The places of one process; its leases are renewed when the test does it."""

    def __init__(self, server: RedisProcess, per_caller: int) -> None:
        self.redis = SharedRedis(Secret(server.url), audience="agent")
        self.leases = RunLeases(self.redis, per_caller, sleep=only_short)

    async def begin(self, caller: Principal = ALICE) -> Run:
        run = Run()
        try:
            await self.leases.acquire(caller, run.task)
        except LimitError:
            run.task.cancel()
            raise
        return run


@pytest.fixture
async def process(tmp_path: Path) -> AsyncIterator[Callable[..., Process]]:
    made: list[Process] = []
    with redis_process(tmp_path) as server:

        def make(per_caller: int = 2) -> Process:
            made.append(Process(server, per_caller))
            return made[-1]

        make.server = server  # type: ignore[attr-defined]  # set by the fixture
        yield make
        for each in made:
            await end_tasks(each.leases._task)
            await each.redis.aclose()


async def aged(server: RedisProcess, seconds: float) -> None:
    """Moves Redis's time for all leases."""
    redis = Redis(port=server.port)
    for key in await redis.keys("*:runs:*"):
        for place, end in await redis.zrange(key, 0, -1, withscores=True):
            await redis.zadd(key, {place: end - seconds * 1000})
    await redis.aclose()


async def returned(process: Process) -> None:
    """Waits until the places of ended runs are given back."""
    while process.leases._left:
        await process.leases.release()


async def test_processes_share_the_limit_of_a_user(process: Callable[..., Process]) -> None:
    one, other = process(), process()
    first = await one.begin()
    await other.begin()
    for each in (one, other):
        with pytest.raises(LimitError) as refused:
            await each.begin()
        assert refused.value.code is AgentCode.TOO_MANY_RUNS
        assert refused.value.retry_after
    await other.begin(BOB)
    await first.end()
    await returned(one)
    await other.begin()


async def test_no_more_runs_begin_at_once_than_the_limit_allows(process: Callable[..., Process]) -> None:
    processes = [process(3), process(3), process(3)]
    begun = await asyncio.gather(*(each.begin() for each in processes * 4), return_exceptions=True)
    assert sum(isinstance(each, Run) for each in begun) == 3


async def test_places_of_a_killed_process_are_free_after_their_lease(process: Callable[..., Process]) -> None:
    killed, living = process(), process()
    await killed.begin(), await living.begin()
    await aged(process.server, LEASE_SECONDS - 1)  # type: ignore[attr-defined]  # set by the fixture
    await living.leases.renew()
    with pytest.raises(LimitError):
        await living.begin()
    await aged(process.server, 2)  # type: ignore[attr-defined]  # set by the fixture
    await living.begin()
    with pytest.raises(LimitError):
        await living.begin()


async def test_without_redis_every_process_admits_and_runs_have_places_after_its_return(process):
    one, other = process(1), process(1)
    one.redis._away_until = float("inf")
    run = await one.begin()
    one.redis._away_until = float("-inf")
    await one.leases.renew()
    with pytest.raises(LimitError):
        await other.begin()
    await run.end()
    await returned(one)
    await other.begin()


async def test_next_run_of_a_caller_follows_at_once(process: Callable[..., Process]) -> None:
    one = process(1)
    for _ in range(20):
        await (await one.begin()).end()


async def test_zero_is_no_limit(process: Callable[..., Process]) -> None:
    one = process(0)
    for _ in range(5):
        await one.begin()


async def test_redis_receives_no_names_and_its_keys_expire(process: Callable[..., Process]) -> None:
    one = process()
    await one.begin()
    redis = Redis(port=process.server.port)  # type: ignore[attr-defined]  # set by the fixture
    [key] = await redis.keys()
    assert b"alice" not in key
    assert b"example" not in key
    assert 0 < await redis.pttl(key) <= LEASE_SECONDS * 1000
    await redis.aclose()
