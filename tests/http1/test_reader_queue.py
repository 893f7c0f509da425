"""Readers of responses continue one after another, so that other tasks need few turns of the event loop."""

import asyncio
import gc
import weakref

from http1.connection import ReaderQueue, reader_queue


class Readers:
    """Futures of the running loop, and the order in which their tasks continued."""

    def __init__(self, number):
        loop = asyncio.get_running_loop()
        self.futures = [loop.create_future() for _ in range(number)]
        self.continued = []
        self.tasks = [asyncio.create_task(self._read(index)) for index in range(number)]

    async def _read(self, index):
        await self.futures[index]
        self.continued.append(index)

    async def all_wait(self):
        await asyncio.sleep(0)
        return self

    def wake(self, queue):
        return [queue.wake(future) for future in self.futures]


async def turns(number):
    for _ in range(number):
        await asyncio.sleep(0)


async def test_all_readers_continue_in_the_order_in_which_they_became_ready():
    readers = await Readers(100).all_wait()
    readers.wake(ReaderQueue())
    await asyncio.wait(readers.tasks)
    assert readers.continued == list(range(100))


async def test_reader_is_woken_at_once_again_after_the_queue_was_empty():
    queue = ReaderQueue()
    for _ in range(3):
        readers = await Readers(2).all_wait()
        assert readers.wake(queue) == [True, False]
        await asyncio.wait(readers.tasks)
        await turns(1)


async def test_reader_that_was_woken_otherwise_takes_no_turn():
    readers, queue = await Readers(3).all_wait(), ReaderQueue()
    readers.wake(queue)
    readers.futures[1].set_exception(TimeoutError())
    await asyncio.wait(readers.tasks)
    assert isinstance(readers.tasks[1].exception(), TimeoutError)
    assert readers.continued == [0, 2]


async def test_reader_that_becomes_ready_meanwhile_is_last():
    readers, later = await Readers(10).all_wait(), await Readers(1).all_wait()
    queue = ReaderQueue()
    readers.wake(queue)
    await turns(3)
    later.wake(queue)
    await asyncio.wait(later.tasks)
    assert readers.continued == list(range(10))


def test_nothing_remains_of_an_event_loop_that_ends_while_readers_wait():
    async def leave_readers():
        readers, loop = await Readers(100).all_wait(), asyncio.get_running_loop()
        readers.wake(reader_queue(loop))
        return weakref.ref(loop), weakref.ref(reader_queue(loop))

    with asyncio.Runner() as runner:
        loop, queue = runner.run(leave_readers())
    del runner
    gc.collect()
    assert (loop(), queue()) == (None, None)
