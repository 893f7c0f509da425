"""The sliding window, in memory and in Redis, is exact and atomic, and its waiting times are correct."""

import asyncio
import math
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass

import pytest
from redis.asyncio import Redis

from agent.http.rate_limit import LocalWindow, RedisWindow, Window
from tests.agent.http.redis_server import redis_server
from tests.clock import Clock

pytestmark = pytest.mark.promise("bounded")

LIMIT = 5


@dataclass
class Windows:
    """Makes windows of one kind that count together, and moves their time."""

    make: Callable[[int], Window]
    passes: Callable[[float], Awaitable[None]]


@pytest.fixture(params=["local", "redis"])
async def windows(request: pytest.FixtureRequest) -> AsyncIterator[Windows]:
    if request.param == "local":
        clock = Clock()

        async def later(seconds: float) -> None:
            clock.now += seconds

        yield Windows(lambda limit: LocalWindow(limit, monotonic=clock), later)
        return
    with redis_server() as server:
        redis = Redis(port=server.port)

        async def aged(seconds: float) -> None:
            for key in await redis.keys():
                units = await redis.zrange(key, 0, -1, withscores=True)
                await redis.zadd(key, {unit: score - seconds * 1000 for unit, score in units})

        yield Windows(lambda limit: RedisWindow(limit, redis), aged)
        await redis.aclose()


async def test_each_caller_may_take_the_limit(windows: Windows) -> None:
    window = windows.make(LIMIT)
    waits = [await window.take("alice", f"a{number}", 1, "") for number in range(LIMIT + 1)]
    assert waits[:LIMIT] == [0] * LIMIT
    assert 59 < waits[LIMIT] <= 60
    assert await window.take("bob", "b", LIMIT, "") == 0


async def test_refused_request_is_not_counted(windows: Windows) -> None:
    window = windows.make(LIMIT)
    assert await window.take("alice", "first", LIMIT, "") == 0
    for second in range(59):
        assert await window.take("alice", f"again{second}", 1, ""), second
        await windows.passes(1)
    await windows.passes(1)
    assert await window.take("alice", "last", LIMIT, "") == 0


async def test_retry_after_suffices_and_is_at_most_a_minute(windows: Windows) -> None:
    window, refused = windows.make(LIMIT), 0
    for step in range(200):
        amount = 1 + step * 7 % 11 % LIMIT
        wait = await window.take("alice", f"s{step}", amount, "")
        if wait:
            refused += 1
            assert wait <= 60
            await windows.passes(math.ceil(wait))
            assert await window.take("alice", f"t{step}", amount, "") == 0
        await windows.passes(step * 13 % 41 / 2)
    assert refused > 20


async def test_no_minute_has_more_than_the_limit(windows: Windows) -> None:
    window, now = windows.make(LIMIT), 0.0
    admitted: list[float] = []
    for step in range(300):
        if not await window.take("alice", f"s{step}", 1, ""):
            admitted.append(now)
        seconds = step * 13 % 41 / 5
        await windows.passes(seconds)
        now += seconds
    # One second less, because Redis's clock advances by itself.
    assert all(later - first > 59 for first, later in zip(admitted, admitted[LIMIT:], strict=False))
    assert len(admitted) > 50


async def test_amount_in_place_of_a_unit_is_taken_whole_or_not_at_all(windows: Windows) -> None:
    window = windows.make(LIMIT)
    assert await window.take("alice", "one", 1, "") == 0
    assert await window.take("alice", "all", LIMIT, "one.0") == 0
    assert await window.take("alice", "more", 1, "") > 0
    await windows.passes(60)
    assert await window.take("alice", "two", 2, "") == 0
    assert await window.take("alice", "one", 1, "") == 0
    assert await window.take("alice", "all", LIMIT, "one.0") > 0
    assert await window.take("alice", "rest", LIMIT - 2, "") > 0  # the refused one keeps its unit
    assert await window.take("alice", "rest", LIMIT - 3, "") == 0


async def test_refused_amount_fits_after_its_retry_after(windows: Windows) -> None:
    window = windows.make(LIMIT)
    assert await window.take("alice", "two", 2, "") == 0
    await windows.passes(20)
    assert await window.take("alice", "one", 1, "") == 0
    wait = await window.take("alice", "most", LIMIT - 1, "one.0")
    assert 39 < wait <= 40
    await windows.passes(math.ceil(wait))
    assert await window.take("alice", "again", 1, "") == 0
    assert await window.take("alice", "most", LIMIT - 1, "again.0") == 0


async def test_concurrent_takes_stay_within_the_limit(windows: Windows) -> None:
    window = windows.make(LIMIT)
    waits = await asyncio.gather(*(window.take("alice", f"a{number}", 1, "") for number in range(40)))
    assert waits.count(0) == LIMIT


async def test_callers_without_recent_requests_are_removed() -> None:
    clock = Clock()
    window = LocalWindow(LIMIT, monotonic=clock)
    for number in range(100):
        await window.take(f"caller{number}", "a", 1)
    clock.now += 61
    await window.take("alice", "a", 1)
    assert len(window) == 1


async def test_redis_keys_expire() -> None:
    with redis_server() as server:
        redis = Redis(port=server.port)
        window = RedisWindow(1, redis)
        await window.take("alice", "a", 1)
        [key] = await redis.keys()
        life = await redis.pttl(key)
        assert 0 < life <= 60_000
        await redis.pexpire(key, 30_000)
        assert await window.take("alice", "b", 1) > 0
        assert await redis.pttl(key) <= 30_000
        await redis.aclose()
