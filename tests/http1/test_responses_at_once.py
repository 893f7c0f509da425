"""Connections that receive data in the same turn of the event loop are read one after another."""

import asyncio

from http1.connection import Connection

RESPONSE = b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\ndone"


class Network(asyncio.Transport):
    """Of one connection: drops what is sent, and shows whether the connection reads."""

    def __init__(self):
        super().__init__()
        self.reading = True

    def write(self, data):
        pass

    def is_closing(self):
        return False

    def get_write_buffer_size(self):
        return 0

    def pause_reading(self):
        self.reading = False

    def resume_reading(self):
        self.reading = True


async def nothing():
    for part in ():
        yield part


class Exchange:
    """A request whose response has not begun."""

    def __init__(self, seconds=None):
        self.network, self.connection = Network(), Connection()
        self.connection.connection_made(self.network)
        self.seconds = seconds
        self.task = asyncio.create_task(self._exchange())

    async def _exchange(self):
        await self.connection.send(b"GET / HTTP/1.1\r\n\r\n", nothing(), None, chunked=False, answer=True)
        await self.connection.head(self.seconds)
        body = b""
        while part := await self.connection.chunk(self.seconds):
            body += part
        return body


async def exchanges(number, **options):
    begun = [Exchange(**options) for _ in range(number)]
    await asyncio.sleep(0)
    return begun


async def end(begun):
    return await asyncio.gather(*(each.task for each in begun), return_exceptions=True)


async def test_task_that_needs_five_turns_waits_for_at_most_six_of_a_thousand_responses():
    begun = await exchanges(1000)
    for each in begun:
        each.connection.data_received(RESPONSE)
    for _ in range(5):
        await asyncio.sleep(0)
    assert sum(each.task.done() for each in begun) <= 6
    assert await end(begun) == [b"done"] * 1000


async def test_connection_reads_no_more_from_the_network_until_its_turn():
    begun = await exchanges(3)
    for each in begun:
        each.connection.data_received(RESPONSE[:-1])
    assert [each.network.reading for each in begun] == [True, False, False]
    for _ in range(5):
        await asyncio.sleep(0)
    assert [each.network.reading for each in begun] == [True, True, True]
    for each in begun:
        each.connection.data_received(RESPONSE[-1:])
    assert await end(begun) == [b"done"] * 3


async def test_connection_notices_what_follows_its_response_before_its_turn():
    begun = await exchanges(3)
    for each in begun:
        each.connection.data_received(RESPONSE)
    assert [each.network.reading for each in begun] == [True, True, True]
    begun[2].connection.data_received(RESPONSE)
    await end(begun)
    assert [each.connection.reusable for each in begun] == [True, True, False]


async def test_response_in_pieces_is_complete_although_others_come_between():
    begun = await exchanges(20)
    for position in range(len(RESPONSE)):
        for each in begun:
            each.connection.data_received(RESPONSE[position : position + 1])
        await asyncio.sleep(0)
    assert await end(begun) == [b"done"] * 20


async def test_time_limit_ends_when_the_data_arrives_not_when_its_reader_continues():
    ahead, begun = await exchanges(20), await exchanges(1, seconds=0.0)
    for each in [*ahead, *begun]:
        each.connection.data_received(RESPONSE)
    assert await end([*ahead, *begun]) == [b"done"] * 21


async def test_time_limit_applies_to_a_response_of_which_nothing_arrives():
    begun = await exchanges(2, seconds=0.0)
    assert [type(each) for each in await end(begun)] == [TimeoutError, TimeoutError]


async def test_every_reader_learns_that_its_connection_is_lost():
    begun = await exchanges(100)
    for each in begun:
        each.connection.connection_lost(ConnectionResetError("reset"))
    assert [type(each) for each in await end(begun)] == [ConnectionResetError] * 100


async def test_response_is_complete_if_its_connection_is_lost_before_its_turn():
    begun = await exchanges(20)
    for each in begun:
        each.connection.data_received(RESPONSE)
        each.connection.connection_lost(None)
    assert await end(begun) == [b"done"] * 20


async def test_cancelled_reader_leaves_its_turn_to_the_next():
    begun = await exchanges(100)
    for each in begun[:-1]:
        each.connection.data_received(RESPONSE[:-1])
    begun[-1].connection.data_received(RESPONSE)
    for each in begun[:-1]:
        each.task.cancel()
    for _ in range(5):
        await asyncio.sleep(0)
    assert begun[-1].task.result() == b"done"
    assert all(each.network.reading for each in begun)
    await end(begun)


async def test_request_is_sent_without_waiting_for_the_readers():
    begun = await exchanges(20)
    slow = Connection()
    slow.connection_made(Network())
    slow.pause_writing()
    sending = asyncio.create_task(
        slow.send(b"GET / HTTP/1.1\r\n\r\n", nothing(), None, chunked=False, answer=True)
    )
    await asyncio.sleep(0)
    for each in begun:
        each.connection.data_received(RESPONSE)
    slow.resume_writing()
    await asyncio.sleep(0)
    assert sending.done()
    await end(begun)
