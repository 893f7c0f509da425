"""A stream of LangGraph Server ends when the token of its caller is not accepted any more."""

import asyncio
from collections.abc import Callable

import pytest
from starlette.types import Message

from agent.api.langgraph.route_guard import SECONDS, VerifiedStream
from identity.error_codes import IdentityCode
from identity.errors import AccessTokenError, UnreachableError

pytestmark = pytest.mark.promise("revoked-refused")

START: Message = {"type": "http.response.start", "status": 200, "headers": []}
PIECE: Message = {"type": "http.response.body", "body": b"data: 1\n\n", "more_body": True}
END: Message = {"type": "http.response.body", "body": b"", "more_body": False}


class Client:
    """Records what it is sent, and stays connected."""

    def __init__(self) -> None:
        self.now = 100.0
        self.sent: list[Message] = []
        self.asked = 0
        self.refusal: Exception | None = None

    async def verify(self) -> None:
        self.asked += 1
        if self.refusal is not None:
            raise self.refusal

    async def send(self, message: Message) -> None:
        self.sent.append(message)

    async def receive(self) -> Message:
        await asyncio.Event().wait()
        raise AssertionError

    def stream(self, receive: Callable[[], object] | None = None) -> VerifiedStream:
        return VerifiedStream(receive or self.receive, self.send, self.verify, lambda: self.now)  # type: ignore[arg-type]  # callables of this test


async def test_pieces_are_sent_while_the_token_is_accepted_and_verified_once_a_second() -> None:
    client = Client()
    stream = client.stream()
    await stream.send(START)
    for _ in range(10):
        await stream.send(PIECE)
    assert client.asked == 0
    client.now += SECONDS
    for _ in range(10):
        await stream.send(PIECE)
    assert (client.asked, len(client.sent)) == (1, 21)


async def test_refused_token_ends_the_stream_and_disconnects_the_application() -> None:
    client = Client()
    stream = client.stream()
    waiting = asyncio.ensure_future(stream.receive())
    for message in (START, PIECE):
        await stream.send(message)
    client.now += SECONDS
    client.refusal = AccessTokenError(IdentityCode.ACCESS_TOKEN_INVALID, "revoked")
    for _ in range(3):
        await stream.send(PIECE)
    assert client.sent == [START, PIECE, END]
    assert await waiting == {"type": "http.disconnect"}
    assert await stream.receive() == {"type": "http.disconnect"}


async def test_message_of_the_client_is_passed_on() -> None:
    async def receive() -> Message:
        return {"type": "http.request", "body": b"{}", "more_body": False}

    assert await Client().stream(receive).receive() == await receive()


async def test_whole_response_is_not_verified_again() -> None:
    client = Client()
    client.refusal = AccessTokenError(IdentityCode.ACCESS_TOKEN_INVALID, "expired")
    stream = client.stream()
    client.now += 60
    for message in (START, END):
        await stream.send(message)
    assert (client.asked, client.sent) == (0, [START, END])


async def test_outage_of_the_signing_keys_does_not_end_a_stream() -> None:
    client = Client()
    client.refusal = UnreachableError(IdentityCode.JWKS_UNAVAILABLE, "no answer")
    stream = client.stream()
    client.now += SECONDS
    await stream.send(PIECE)
    assert client.sent == [PIECE]
