"""Responses are read as h11 reads them. What h11 refuses is refused, or ends the connection."""

from dataclasses import dataclass, field

import h11
from hypothesis import given, settings
from hypothesis import strategies as st

from http1.response_parser import MalformedResponseError, ResponseParser

TOKENS = st.sampled_from(
    [b"a", b"X-Name", b"content-length", b"Transfer-Encoding", b"connection", b"x y", b""]
)
VALUES = st.sampled_from([b"1", b"3", b" 5", b"+5", b"0x5", b"5,5", b"-1", b"", b"chunked", b"Chunked"]) | (
    st.sampled_from([b"gzip", b"chunked, gzip", b"close", b"keep-alive", b"a\tb", b"a\0b", b"\xe9", b"a b "])
)
SEPARATORS = st.sampled_from([b": ", b":", b":\t", b" : ", b""])
USUAL = st.sampled_from(
    [b"Content-Length: 5", b"Transfer-Encoding: chunked", b"X-Name: a", b"Connection: close"]
)
LINE_ENDS = st.sampled_from([b"\r\n"] * 40 + [b"\n", b"\r", b"\r\n "])
STATUS_LINES = st.sampled_from(
    [b"HTTP/1.1 200 OK"] * 4
    + [b"HTTP/1.1 204 No Content", b"HTTP/1.1 304 Not Modified", b"HTTP/1.1 500 ", b"HTTP/1.0 200 OK"]
    + [b"HTTP/1.1 200", b"HTTP/1.1 20 OK", b"HTTP/2.0 200 OK", b" HTTP/1.1 200 OK", b"HTTP/1.1 100 Continue"]
)
BODIES = st.sampled_from(
    [
        b"",
        b"hello",
        b"5\r\nhello\r\n0\r\n\r\n",
        b"5;a=b\r\nhello\r\n1\r\n!\r\n0\r\nX: y\r\n\r\n",
        b"5\r\nhel",
        b"5\nhello\n0\n\n",
        b"5 \r\nhello\r\n0\r\n\r\n",
        b"+5\r\nhello\r\n0\r\n\r\n",
        b"5\r\nhello0\r\n\r\n",
        b"FFFFFFFFFFFFFFFFFF\r\nhello",
        b"0\r\n\r\nHTTP/1.1 200 OK\r\n\r\n",
        b"5\r\nhello\r\n0\r\n\r\nmore",
    ]
)


@st.composite
def responses(draw: st.DrawFn) -> bytes:
    head = draw(STATUS_LINES) + draw(LINE_ENDS)
    for _ in range(draw(st.integers(0, 3))):
        odd = st.tuples(TOKENS, SEPARATORS, VALUES).map(b"".join)
        head += draw(USUAL | USUAL | odd) + draw(LINE_ENDS)
    return head + draw(LINE_ENDS) + draw(BODIES)


@dataclass
class Read:
    """What a parser makes of a response, up to its end or its fault."""

    status: int | None = None
    headers: list[tuple[bytes, bytes]] = field(default_factory=list)
    body: bytes = b""
    whole: bool = False
    reusable: bool = False


def by_h11(response: bytes) -> Read:
    found, connection = Read(), h11.Connection(h11.CLIENT)
    connection.send(h11.Request(method="GET", target="/", headers=[("Host", "a")]))
    connection.send(h11.EndOfMessage())
    connection.receive_data(response)
    ended = False
    try:
        while True:
            event = connection.next_event()
            if event is h11.NEED_DATA and not ended:
                connection.receive_data(b"")
                ended = True
            elif isinstance(event, h11.Response):
                found.status = event.status_code
                found.headers = [(name, value.strip()) for name, value in event.headers]
            elif isinstance(event, h11.Data):
                found.body += bytes(event.data)
            elif isinstance(event, h11.EndOfMessage):
                found.whole = True
                found.reusable = not ended and connection.their_state is h11.DONE
                found.reusable = found.reusable and not connection.trailing_data[0]
                return found
            elif not isinstance(event, h11.InformationalResponse):
                return found
    except h11.RemoteProtocolError:
        return found


def by_the_agent(response: bytes, size: int) -> Read:
    found, parser = Read(), ResponseParser()
    try:
        for at in range(0, len(response), size):
            parser.feed(response[at : at + size])
            found.body += parser.read() if parser.buffered else b""
        found.reusable = parser.complete and parser.reusable
        parser.end()
        found.whole = parser.complete
    except MalformedResponseError:
        found.reusable = False
    if parser.head is not None:
        found.status = parser.head.status
        found.headers = [_normal(name, value) for name, value in parser.head.headers]
    return found


def _normal(name: bytes, value: bytes) -> tuple[bytes, bytes]:
    """As h11 has it."""
    name, value = name.lower(), value.strip()
    return name, value.lower() if name == b"transfer-encoding" else value


@settings(max_examples=300, deadline=None, derandomize=True, database=None)
@given(responses(), st.sampled_from([1, 3, 1_000]))
def test_response_is_read_as_h11_reads_it(response: bytes, size: int) -> None:
    ours, referee = by_the_agent(response, size), by_h11(response)
    if ours.whole and referee.whole:
        assert (ours.status, ours.headers, ours.body) == (referee.status, referee.headers, referee.body)
    if ours.reusable:
        assert referee.whole, "a response that is malformed to others must not be followed by another"
