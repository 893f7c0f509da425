"""What is particular to revocations in Redis; `test_stores.py` has what each store does."""

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path

import pytest
from redis import Redis

from agent.operations.revocation.redis_store import RedisStore
from agent.operations.revocation.store import StoreError
from agent.redis import SharedRedis
from identity.secrets.secret import Secret
from tests.agent.operations.revocation.test_stores import read, revocation
from tests.databases.redis_process import RedisProcess, redis_process


@pytest.fixture
def redis(tmp_path: Path) -> Iterator[RedisProcess]:
    with redis_process(tmp_path) as server:
        yield server


@pytest.fixture
async def store(redis: RedisProcess) -> AsyncIterator[Callable[..., RedisStore]]:
    """`store(audience)`: of another process each."""
    opened: list[SharedRedis] = []

    def make(audience: str = "https://agent.example") -> RedisStore:
        opened.append(SharedRedis(Secret(redis.url), audience=audience))
        return RedisStore(opened[-1])

    yield make
    for each in opened:
        await each.aclose()


async def test_cancelled_reading_is_cancelled_at_every_step(store: Callable[..., RedisStore]) -> None:
    async def follow(reader: RedisStore) -> None:
        async for _ in reader.changes():
            pass

    cancelled = 0
    for turns in range(60):
        reading = asyncio.create_task(follow(store()))
        for _ in range(turns):
            await asyncio.sleep(0)
        reading.cancel()
        done, _ = await asyncio.wait([reading], timeout=60)
        assert done, f"cancelled after {turns} turns of the event loop"
        cancelled += reading.cancelled()
    assert cancelled == 60


async def test_revocations_are_those_of_agents_of_one_audience(store: Callable[..., RedisStore]) -> None:
    await store().put([revocation("alice")])
    changes, others = store().changes(), store("https://other.example").changes()
    assert await read(changes) == {revocation("alice")}
    assert await read(others) == set()
    await store("https://other.example").put([revocation("carol")])
    async with asyncio.timeout(60):
        assert set(await anext(others)) == {revocation("carol")}
    for each in (changes, others):
        await each.aclose()


async def test_stopped_redis_is_an_error_and_keeps_its_revocations(redis, store):
    agent = store()
    await agent.put([revocation("alice")])
    changes = agent.changes()
    assert await read(changes) == {revocation("alice")}
    redis.stop()
    with pytest.raises(StoreError, match="Redis failed"):
        await anext(changes)
    with pytest.raises(StoreError):
        await agent.put([revocation("bob")])
    redis.start()
    again = store().changes()
    assert await read(again) == {revocation("alice")}
    await again.aclose()


async def test_entries_of_another_form_are_ignored(redis, store):
    await store().put([revocation("alice")])
    with Redis(port=redis.port) as client:
        [key] = client.keys("*")
        client.hset(key, "x", "broken")
    changes = store().changes()
    assert await read(changes) == {revocation("alice")}
    await changes.aclose()
