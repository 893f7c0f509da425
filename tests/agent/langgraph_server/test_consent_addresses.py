"""URLs of consents are filled into responses for the caller whose they are, and are stored nowhere."""

import json
from collections.abc import Sequence

import pytest
from starlette.types import Message, Receive, Scope, Send

from agent.langgraph_server.consent_addresses import ConsentAddresses
from agent.langgraph_server.token_references import VERIFIED
from graph.approvals.consent_urls import url_reference
from identity.access_token.verified_access_token import VerifiedAccessToken
from identity.secrets.secret import Secret
from tests.graph.memory_seams import Tokens

pytestmark = pytest.mark.promise("no-secret-leaves")

MINE, OTHER = "0a" * 16, "0b" * 16
URL = 'https://idaas.example/consent?state=canary&text="\\'
STATE = {"interrupts": [{"url": url_reference(MINE), "text": f"Open {url_reference(MINE)} now"}]}


async def url_of(approval_id: str, caller: VerifiedAccessToken) -> Secret | None:
    return Secret(URL) if (approval_id, caller.principal.subject) == (MINE, "alice") else None


async def respond(
    pieces: Sequence[bytes], *, user: str | None = "alice", length: int | None = None
) -> list[Message]:
    """What a client receives of a server that responds with `pieces`."""
    received: list[Message] = []

    async def server(scope: Scope, receive: Receive, send: Send) -> None:
        assert (b"accept-encoding", b"gzip") not in scope["headers"] or user is None
        headers = [] if length is None else [(b"Content-Length", b"%d" % length)]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        for number, piece in enumerate(pieces):
            more = number + 1 < len(pieces)
            await send({"type": "http.response.body", "body": piece, "more_body": more})

    async def receive() -> Message:
        return {"type": "http.request", "body": b"", "more_body": False}

    async def send(message: Message) -> None:
        received.append(message)

    scope: Scope = {"type": "http", "headers": [(b"accept-encoding", b"gzip")]}
    if user is not None:
        scope[VERIFIED] = await Tokens().verify(Secret(f"{user}-at"))
    await ConsentAddresses(server, url_of=url_of)(scope, receive, send)
    return received


def body_of(received: Sequence[Message]) -> bytes:
    return b"".join(message.get("body", b"") for message in received)


async def test_reference_is_replaced_by_the_url_as_json() -> None:
    given = json.dumps(STATE).encode()
    received = await respond([given], length=len(given))
    body = body_of(received)
    assert json.loads(body) == {"interrupts": [{"url": URL, "text": f"Open {URL} now"}]}
    assert received[0]["headers"] == [(b"content-length", b"%d" % len(body))]


@pytest.mark.parametrize(
    ("user", "approval"), [("bob", MINE), ("alice", OTHER)], ids=["another user", "another approval"]
)
async def test_reference_of_others_is_replaced_by_nothing(user: str, approval: str) -> None:
    received = await respond([f'{{"url": "{url_reference(approval)}"}}'.encode()], user=user)
    assert json.loads(body_of(received)) == {"url": ""}


@pytest.mark.parametrize("size", [1, 7, 43, 44, 45])
async def test_reference_that_is_cut_between_pieces_of_a_stream_is_replaced(size: int) -> None:
    given = f'event: values\r\ndata: {{"url": "{url_reference(MINE)}"}}\r\n\r\n'.encode()
    pieces = [given[start : start + size] for start in range(0, len(given), size)]
    expected = given.replace(url_reference(MINE).encode(), json.dumps(URL)[1:-1].encode())
    assert body_of(await respond(pieces)) == expected


async def test_events_of_a_stream_are_not_held_back() -> None:
    pieces = [b"event: values\r\ndata: {}\r\n\r\n", b": heartbeat\r\n\r\n", b"data: c\r\n\r\n"]
    received = await respond(pieces)
    assert [message["body"] for message in received[1:]] == pieces


@pytest.mark.parametrize("end", [b"c", b"consent-url:", f"consent-url:{MINE[:-1]}".encode()])
async def test_what_only_begins_like_a_reference_is_sent_unchanged(end: bytes) -> None:
    assert body_of(await respond([b"text ", end, b"G", end])) == b"text " + end + b"G" + end


async def test_response_without_a_reference_is_unchanged() -> None:
    received = await respond([b'{"a": ', b"1}"], length=8)
    assert received[0]["headers"] == [(b"Content-Length", b"8")]
    assert body_of(received) == b'{"a": 1}'


async def test_response_to_a_caller_who_is_not_verified_is_unchanged() -> None:
    given = url_reference(MINE).encode()
    assert body_of(await respond([given], user=None)) == given
