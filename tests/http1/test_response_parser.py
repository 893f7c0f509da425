"""Responses are read as RFC 9112 has them, however they are cut into pieces; others are refused."""

import pytest

from http1.response_parser import MAX_HEAD_BYTES, MalformedResponseError, ResponseParser

CHUNKED = (
    b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n5\r\nhello\r\n6;a=b\r\n world\r\n0\r\nX: y\r\n\r\n"
)
SIZED = b"HTTP/1.1 200 OK\r\nContent-Length: 11\r\n\r\nhello world"


def parsed(*pieces, body=True, end=False):
    parser, received = ResponseParser(body=body), b""
    for piece in pieces:
        parser.feed(piece)
        received += parser.read()
    if end:
        parser.end()
    return parser, received


def feed_often(parser, piece):
    for _ in range(MAX_HEAD_BYTES // len(piece) + 2):
        parser.feed(piece)


@pytest.mark.parametrize("response", [CHUNKED, SIZED])
def test_response_in_one_piece_and_byte_by_byte_is_the_same(response):
    for pieces in ([response], [response[at : at + 1] for at in range(len(response))]):
        parser, received = parsed(*pieces)
        assert received == b"hello world"
        assert (parser.complete, parser.reusable, parser.head.status) == (True, True, 200)
        assert parser.head.reason == b"OK"


def test_headers_keep_their_order_and_spelling_and_trailers_are_dropped():
    parser, _ = parsed(CHUNKED.replace(b"\r\n\r\n5", b"\r\nSet-Cookie: a\r\nset-cookie: b\r\n\r\n5"))
    assert parser.head.headers == [
        (b"transfer-encoding", b"chunked"),
        (b"Set-Cookie", b"a"),
        (b"set-cookie", b"b"),
    ]


def test_interim_responses_are_skipped():
    parser, received = parsed(
        b"HTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\nHTTP/1.1 100 Continue\r\n\r\n" + SIZED
    )
    assert (parser.head.status, received) == (200, b"hello world")
    assert parser.head.headers == [(b"Content-Length", b"11")]


@pytest.mark.parametrize("status", [b"204 No Content", b"304 Not Modified"])
def test_response_without_body_is_complete_with_its_headers(status):
    parser, received = parsed(b"HTTP/1.1 %b\r\n\r\n" % status)
    assert (parser.complete, received) == (True, b"")


def test_response_to_head_has_no_body_whatever_its_length():
    parser, received = parsed(SIZED[: -len(b"hello world")], body=False)
    assert (parser.complete, parser.reusable, received) == (True, False, b"")


def test_body_without_length_ends_with_the_connection_which_is_not_used_again():
    parser, received = parsed(b"HTTP/1.1 200 OK\r\n\r\nhello", b" world", end=True)
    assert (received, parser.complete, parser.reusable) == (b"hello world", True, False)


@pytest.mark.parametrize("kept", [len(SIZED) - 1, 20, 0])
def test_connection_that_ends_early_is_an_error(kept):
    for response in (SIZED, CHUNKED):
        with pytest.raises(MalformedResponseError):
            parsed(response[:kept], end=True)


def test_close_makes_the_connection_not_reusable():
    assert not parsed(SIZED.replace(b"OK\r\n", b"OK\r\nConnection: close\r\n"))[0].reusable
    assert not parsed(SIZED.replace(b"HTTP/1.1", b"HTTP/1.0"))[0].reusable


@pytest.mark.parametrize("later", [False, True])
def test_data_after_the_response_makes_the_connection_not_reusable(later):
    pieces = [SIZED, SIZED] if later else [SIZED + SIZED]
    parser, received = parsed(*pieces)
    assert (received, parser.complete, parser.reusable) == (b"hello world", True, False)


@pytest.mark.parametrize(
    "response",
    [
        b"HELLO\r\n\r\n",
        b"HTTP/3.0 200 OK\r\n\r\n",
        SIZED.replace(b"11", b"-1"),
        SIZED.replace(b"\r\n\r\n", b"\r\nContent-Length: 12\r\n\r\n"),
        CHUNKED.replace(b"\r\n\r\n5", b"\r\nContent-Length: 3\r\n\r\n5"),
        CHUNKED.replace(b"chunked", b"gzip, chunked"),
        CHUNKED.replace(b"chunked", b"chunked\r\nTransfer-Encoding: chunked"),
        CHUNKED.replace(b"\r\n5\r\n", b"\r\nzz\r\n"),
        b"HTTP/1.1 200 OK\r\nBad Name: x\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nName: a\0b\r\n\r\n",
        b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\nConnection: upgrade\r\n\r\n",
    ],
)
def test_malformed_response_is_refused(response):
    with pytest.raises(MalformedResponseError):
        parsed(response, end=True)


@pytest.mark.parametrize(
    "before",
    [
        b"HTTP/1.1 200 OK\r\nX: ",
        b"HTTP/1.1 200 ",
        CHUNKED.partition(b"5\r\n")[0] + b"5;",
        CHUNKED.partition(b"X: y")[0] + b"X: ",
    ],
)
def test_endless_headers_extensions_and_trailers_are_refused(before):
    parser = ResponseParser()
    parser.feed(before)
    with pytest.raises(MalformedResponseError):
        feed_often(parser, b"x" * 1000)


def test_endless_interim_responses_are_refused():
    parser = ResponseParser()
    with pytest.raises(MalformedResponseError):
        feed_often(parser, b"HTTP/1.1 100 Continue\r\n\r\n")
