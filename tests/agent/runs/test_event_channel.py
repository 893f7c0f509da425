"""Events reach their reader in order, whether it waits for them or they for it."""

import asyncio

import pytest

from agent.runs.event_channel import EventChannel


@pytest.fixture
def channel():
    return EventChannel()


def text(number):
    return {"type": "content", "text": str(number)}


async def test_events_are_read_in_order_and_end_after_the_last(channel):
    for number in range(200):
        channel.put(text(number))
    channel.close()
    assert [await channel.get() for _ in range(201)] == [*map(text, range(200)), None]


async def test_reader_that_waits_receives_the_next_event_or_the_end(channel):
    reading = asyncio.create_task(channel.get())
    await asyncio.sleep(0)
    channel.put(text(1))
    assert await reading == text(1)
    reading = asyncio.create_task(channel.get())
    await asyncio.sleep(0)
    channel.close()
    assert await reading is None


async def test_event_after_the_end_is_dropped(channel):
    channel.close()
    channel.put(text(1))
    assert await channel.get() is None


async def test_reader_that_is_cancelled_loses_no_event(channel):
    reading = asyncio.create_task(channel.get())
    await asyncio.sleep(0)
    channel.put(text(1))
    reading.cancel()
    with pytest.raises(asyncio.CancelledError):
        await reading
    assert await channel.get() == text(1)


async def test_run_waits_for_a_reader_that_lags_behind(channel):
    for number in range(100):
        channel.put(text(number))
    waiting = asyncio.create_task(channel.room())
    await channel.get()
    await asyncio.sleep(0)
    assert not waiting.done()
    for _ in range(50):
        await channel.get()
    await waiting


async def test_other_tasks_run_while_a_reader_catches_up(channel):
    for number in range(1000):
        channel.put(text(number))
    turns = 0

    async def count():
        nonlocal turns
        while True:
            turns += 1
            await asyncio.sleep(0)

    counting = asyncio.create_task(count())
    for _ in range(1000):
        await channel.get()
    counting.cancel()
    assert turns >= 10


async def test_each_event_is_observed_once(channel):
    seen = []
    channel.observed = seen.append
    channel.put(text(1))
    await channel.get()
    assert seen == [text(1)]
