"""Server-sent events are parsed by the standard, whatever the chunk boundaries."""

import pytest

from identity.transport.body import ResponseTooLargeError
from identity.transport.server_sent_events import events
from tests.responsive import responsive

pytestmark = pytest.mark.promise("bounded")


async def read(*pieces, limit=10_000_000):
    async def body():
        for piece in pieces:
            yield piece

    return [tuple(event) async for event in events(body(), limit)]


STREAM = (
    "\ufeffdata: one\r\n\r\n"
    ": a comment\n"
    "event: error\rdata:two\rdata:  three\r\r"
    "id: 7\nretry: 5\ndata\n\n"
    "event: message\ndata: 天气\n\n"
    "event: empty\n\n"
    "data: cut off"
).encode()
EVENTS = [("message", "one"), ("error", "two\n three"), ("message", ""), ("message", "天气")]


@pytest.mark.parametrize("size", [1, 2, 3, 7, 1000])
async def test_events_do_not_depend_on_chunk_boundaries(size):
    pieces = [STREAM[at : at + size] for at in range(0, len(STREAM), size)]
    assert await read(*pieces) == EVENTS


async def test_invalid_utf_8_is_replaced():
    assert await read(b"data: \xff\xfe\n\n") == [("message", "\ufffd\ufffd")]


@pytest.mark.parametrize("line", [b"data: %s" % (b"x" * 200), b"data: x\n" * 60, b"x" * 200, b":" * 200])
async def test_event_or_line_past_the_limit_is_refused(line):
    with pytest.raises(ResponseTooLargeError):
        await read(line, limit=100)


@pytest.mark.parametrize("piece", [b"a", b"\n", b"\r", b":\n", b"data:\n", b"data: {}\n\n", b"a\nb"])
async def test_many_small_chunks_are_parsed_quickly(piece):
    async with responsive():
        await read(piece * (400_000 // len(piece)))
    async with responsive():
        await read(*[piece] * 20_000)
