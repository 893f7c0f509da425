"""URLs of consents are filled into responses for the caller whose they are, and are stored nowhere."""

import json
import os
import time
from collections.abc import AsyncIterator, Collection, Mapping, Sequence
from pathlib import Path

import pytest
from starlette.types import Message, Receive, Scope, Send

from agent.api.langgraph import consent_url_injector
from agent.api.langgraph.admitted_request import ADMITTED, AdmittedRequest
from agent.api.langgraph.consent_url_injector import ConsentUrlInjector
from agent.api.langgraph.server_agent import agent_of_this_loop
from agent.composition.agent import Agent
from graph.approvals.consent_urls import url_reference
from graph.approvals.record import ApprovalKind, ApprovalRequest
from identity.access_token.verified_access_token import VerifiedAccessToken
from identity.secrets.secret import Secret
from tests.graph.approvals.conftest import DIGEST, request_of
from tests.graph.memory_seams import Tokens
from tests.suite import Sandbox

pytestmark = pytest.mark.promise("no-secret-leaves")

MINE, OTHER = "0a" * 16, "0b" * 16
URL = 'https://idaas.example/consent?state=canary&text="\\'
STATE = {"interrupts": [{"url": url_reference(MINE), "text": f"Open {url_reference(MINE)} now"}]}


async def respond(
    pieces: Sequence[bytes],
    *,
    user: str | None = "alice",
    length: int | None = None,
    looked_up: list[Collection[str]] | None = None,
) -> list[Message]:
    """What a client receives of a server that responds with `pieces`. `looked_up`: the ids, for each time."""
    received: list[Message] = []

    async def urls_of(approval_ids: Collection[str], caller: VerifiedAccessToken) -> Mapping[str, Secret]:
        if looked_up is not None:
            looked_up.append(approval_ids)
        mine = MINE in approval_ids and caller.principal.subject == "alice"
        return {MINE: Secret(URL)} if mine else {}

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
    caller = None if user is None else await Tokens().verify(Secret(f"{user}-at"))
    token = ADMITTED.set(None if caller is None else AdmittedRequest(caller))
    try:
        await ConsentUrlInjector(server, urls_of=urls_of)(scope, receive, send)
    finally:
        ADMITTED.reset(token)
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


@pytest.mark.promise("bounded")
async def test_references_are_looked_up_once_all_of_a_piece_together() -> None:
    made_up = [f"{n:032x}" for n in range(300)]
    text = " ".join(map(url_reference, [*made_up, MINE])).encode()
    pieces = [text, b" ", text, text + url_reference(OTHER).encode()]
    looked_up: list[Collection[str]] = []
    body = body_of(await respond(pieces, looked_up=looked_up))
    assert [list(ids) for ids in looked_up] == [[*made_up, MINE], [OTHER]]
    assert body.count(json.dumps(URL)[1:-1].encode()) == 3
    assert b"consent-url" not in body
    whole: list[Collection[str]] = []
    many = b" ".join(url_reference(f"{n:032x}").encode() for n in range(5_000))
    assert body_of(await respond([many], length=len(many), looked_up=whole)).strip() == b""
    assert [len(ids) for ids in whole] == [500]


async def test_response_without_a_reference_is_unchanged() -> None:
    received = await respond([b'{"a": ', b"1}"], length=8)
    assert received[0]["headers"] == [(b"Content-Length", b"8")]
    assert body_of(received) == b'{"a": 1}'


async def test_response_to_a_caller_who_is_not_verified_is_unchanged() -> None:
    given = url_reference(MINE).encode()
    assert body_of(await respond([given], user=None)) == given


@pytest.fixture
async def agent(sandbox: Sandbox, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Agent]:
    for name, value in sandbox.environment.items():
        monkeypatch.setitem(os.environ, name, value)
    monkeypatch.setitem(os.environ, "CONVERSATIONS_URL", f"sqlite:///{tmp_path}/conversations.db")
    made = await agent_of_this_loop()
    yield made
    await made.aclose()


@pytest.mark.parametrize("state", ["open", "declined", "given", "expired"])
async def test_address_is_shown_while_its_consent_is_open_only(agent: Agent, state: str) -> None:
    alice, bob = [await Tokens().verify(Secret(f"{user}-at")) for user in ("alice", "bob")]
    now = time.time() - (3600 if state == "expired" else 0)
    request: ApprovalRequest = request_of(
        id=MINE,
        kind=ApprovalKind.CONSENT_REQUIRED,
        principal=alice.principal,
        created_at=now,
        expires_at=now + 600,
    )
    assert agent.kept is not None
    await agent.kept.approvals.open(request)
    if state in ("declined", "given"):
        await agent.kept.approvals.decide(
            MINE, alice.principal, approved=state == "given", digest=DIGEST, at=now
        )
    agent.consent_urls._urls[MINE] = Secret(URL), time.time() + 600  # as if it were kept for longer
    shown = {MINE: Secret(URL)} if state == "open" else {}
    assert await consent_url_injector.urls_of([MINE, OTHER], alice) == shown
    assert await consent_url_injector.urls_of([MINE, OTHER], bob) == {}
