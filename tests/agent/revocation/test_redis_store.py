"""Revocations in a real Redis, shared among agents."""

import asyncio
from collections.abc import AsyncGenerator, Iterator, Sequence
from pathlib import Path

import pytest

from agent.revocation.redis_store import RedisStore
from agent.revocation.store import StoreError
from identity.revocation.revocation import Origin, Revocation, Target
from identity.secrets.secret import Secret
from tests.databases.redis_process import RedisProcess, redis_process


def revocation(name: str, until: float | None = 100.0, changed_at: float = 100.0) -> Revocation:
    return Revocation(Target.USER, name, Origin.OPERATOR, until, changed_at)


@pytest.fixture
def redis(tmp_path: Path) -> Iterator[RedisProcess]:
    with redis_process(tmp_path) as server:
        yield server


def store(redis: RedisProcess, audience: str = "https://agent.example") -> RedisStore:
    return RedisStore(Secret(redis.url), audience=audience)


async def stored(changes: AsyncGenerator[Sequence[Revocation]]) -> set[Revocation]:
    found: set[Revocation] = set()
    async with asyncio.timeout(10):
        while sequence := await anext(changes):
            found |= set(sequence)
    return found


async def received(changes: AsyncGenerator[Sequence[Revocation]]) -> set[Revocation]:
    async with asyncio.timeout(10):
        return set(await anext(changes))


async def test_cancelled_reading_is_cancelled_at_every_step(redis: RedisProcess) -> None:
    async def read(reader: RedisStore) -> None:
        async for _ in reader.changes():
            pass

    cancelled = 0
    for turns in range(60):
        reader = store(redis)
        reading = asyncio.create_task(read(reader))
        for _ in range(turns):
            await asyncio.sleep(0)
        reading.cancel()
        done, _ = await asyncio.wait([reading], timeout=10)
        assert done, f"cancelled after {turns} turns of the event loop"
        cancelled += reading.cancelled()
        await reader.aclose()
    assert cancelled == 60


async def test_revocations_are_stored_and_sent_to_agents_of_one_audience(
    redis: RedisProcess,
) -> None:
    writer, reader, other = store(redis), store(redis), store(redis, "https://other.example")
    await writer.put([revocation("alice")])
    changes, others = reader.changes(), other.changes()
    assert await stored(changes) == {revocation("alice")}
    assert await stored(others) == set()
    await writer.put([revocation("bob")])
    assert await received(changes) == {revocation("bob")}
    await other.put([revocation("carol")])
    assert await received(others) == {revocation("carol")}
    for each in (changes, others):
        await each.aclose()
    for agent in (writer, reader, other):
        await agent.aclose()


@pytest.mark.parametrize(
    ("first", "second", "kept"),
    [
        (revocation("alice"), revocation("alice", None, 200.0), revocation("alice", None, 200.0)),
        (revocation("alice", None, 200.0), revocation("alice"), revocation("alice", None, 200.0)),
        (revocation("alice", None), revocation("alice"), revocation("alice")),
        (revocation("alice"), revocation("alice", None), revocation("alice")),
    ],
)
async def test_later_change_is_stored(
    redis: RedisProcess, first: Revocation, second: Revocation, kept: Revocation
) -> None:
    agent = store(redis)
    await agent.put([first])
    await agent.put([second])
    changes = agent.changes()
    assert await stored(changes) == {kept}
    await changes.aclose()
    await agent.aclose()


async def test_stopped_redis_is_an_error_and_keeps_its_revocations(redis: RedisProcess) -> None:
    agent = store(redis)
    await agent.put([revocation("alice")])
    changes = agent.changes()
    assert await stored(changes) == {revocation("alice")}
    redis.stop()
    with pytest.raises(StoreError, match="Redis failed"):
        await received(changes)
    with pytest.raises(StoreError):
        await agent.put([revocation("bob")])
    redis.start()
    again = agent.changes()
    assert await stored(again) == {revocation("alice")}
    await again.aclose()
    await agent.aclose()


async def test_error_does_not_contain_the_password(redis: RedisProcess) -> None:
    redis.stop()
    agent = RedisStore(Secret(f"redis://:sesame@127.0.0.1:{redis.port}"), audience="a")
    with pytest.raises(StoreError) as caught:
        await agent.put([revocation("alice")])
    assert "sesame" not in f"{caught.value!r} {caught.value.__cause__!r}"
    await agent.aclose()


async def test_entries_of_another_form_are_ignored(redis: RedisProcess) -> None:
    from redis.asyncio import Redis

    agent = store(redis)
    await agent.put([revocation("alice")])
    client = Redis(port=redis.port)
    (key,) = await client.keys("*")
    await client.hset(key, "x", "broken")
    await client.aclose()
    changes = agent.changes()
    assert await stored(changes) == {revocation("alice")}
    await changes.aclose()
    await agent.aclose()


async def test_stored_revocations_are_read_in_parts(redis: RedisProcess) -> None:
    agent, count = store(redis), 2_000
    await agent.put([revocation(f"user-{number}") for number in range(count)])
    changes, sizes = agent.changes(), []
    async with asyncio.timeout(30):
        while sequence := await anext(changes):
            sizes.append(len(sequence))
    await changes.aclose()
    await agent.aclose()
    assert sum(sizes) >= count
    assert max(sizes) < count
