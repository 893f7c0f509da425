"""What processes agree on in a real Redis."""

import asyncio
import time
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
from redis import Redis

from agent.api.langgraph.redis_marks import RedisMarks
from agent.errors.error_codes import AgentCode
from agent.redis import SharedRedis
from identity.errors import UnavailableError
from identity.secrets.secret import Secret
from tests.databases.redis_process import RedisProcess, redis_process

AUDIENCE = "https://agent.example"


@pytest.fixture(scope="module")
def redis(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RedisProcess]:
    with redis_process(tmp_path_factory.mktemp("redis")) as server:
        yield server


@pytest.fixture
async def processes(redis: RedisProcess) -> AsyncIterator[list[RedisMarks]]:
    """Two processes of one agent, and one of another."""
    Redis(port=redis.port).flushall()
    shared = [SharedRedis(Secret(redis.url), audience=name) for name in (AUDIENCE, AUDIENCE, "another")]
    yield [RedisMarks(each) for each in shared]
    for each in shared:
        await each.aclose()


async def test_envelope_belongs_to_the_first_run_in_every_process(processes: list[RedisMarks]) -> None:
    one, two, other = processes
    until = time.time() + 600
    claims = [marks.claim("e" * 64, run, until) for marks in (one, two) for run in ("run-1", "run-2")]
    claimed = await asyncio.gather(*claims)
    assert claimed in ([True, False, True, False], [False, True, False, True])
    assert await other.claim("e" * 64, "run-3", until)


async def test_claim_outlives_the_envelope(processes: list[RedisMarks], redis: RedisProcess) -> None:
    await processes[0].claim("e" * 64, "run-1", time.time() + 600)
    [key] = Redis(port=redis.port).keys()
    assert 600 <= Redis(port=redis.port).ttl(key) <= 700


async def test_call_is_begun_once(processes: list[RedisMarks], redis: RedisProcess) -> None:
    one, two, _ = processes
    begun = await asyncio.gather(*(marks.begin("alice pays") for marks in (one, two, one)))
    assert sorted(begun) == [False, False, True]
    assert await two.begin("alice pays again")
    assert not any(b"alice" in key for key in Redis(port=redis.port).scan_iter())


async def test_nothing_is_claimed_or_begun_without_redis(tmp_path: Path) -> None:
    with redis_process(tmp_path) as server:
        shared = SharedRedis(Secret(server.url.replace("://", "://:password@")), audience=AUDIENCE)
        marks = RedisMarks(shared)
        server.stop()
        for command in (marks.claim("e" * 64, "run-1", time.time() + 600), marks.begin("a call")):
            with pytest.raises(UnavailableError) as refused:
                await command
            assert refused.value.code is AgentCode.REDIS_UNAVAILABLE
            assert "password" not in f"{refused.value!r} {refused.value.detail}"
        await shared.aclose()
