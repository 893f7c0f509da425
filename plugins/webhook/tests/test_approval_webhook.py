"""What an approval's webhook sends, to whom, and when it stops."""

import asyncio
import base64
import hmac
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import httpx
import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import Route

from agent.settings.settings import read_settings
from graph.approvals.announced_question import AnnouncedQuestion, question_of_run
from graph.approvals.record import PendingApproval
from graph.error_codes import GraphCode
from identity.errors import ConfigurationError, UnavailableError
from identity.transport.client import http_client
from plugins.webhook.approval_webhook import ApprovalWebhook
from plugins.webhook.variables import WebhookVariables
from tests.agent.api.threads.script import APPLY
from tests.agent.api.threads.served_threads import ThreadsOf
from tests.graph.approvals.conftest import NOW, request_of
from tests.graph.approvals.memory_store import memory_approvals
from tests.suite import Sandbox

pytestmark = pytest.mark.promise("webhook-decides-nothing")

KEY = bytes(range(32))
SECRET = "whsec_" + base64.b64encode(KEY).decode()


RELAY = Path(__file__).parents[3] / "examples" / "webhook_relay" / "relay.py"


class Receiver:
    """The operator's address: answers by a script, and notes what arrives."""

    def __init__(self) -> None:
        self.responses: list[Response] = []
        self.messages: list[tuple[dict[str, str], bytes]] = []
        self.pauses: list[float] = []
        self.webhook: Any = None
        self.store = memory_approvals()

    async def receive(self, request: Request) -> Response:
        self.messages.append((dict(request.headers), await request.body()))
        return self.responses.pop(0) if self.responses else Response(status_code=204)

    async def pause(self, seconds: float) -> None:
        self.pauses.append(seconds)

    async def sent(self, pending: PendingApproval) -> None:
        """Asks, announces, and waits until nothing more is sent."""
        await self.store.open(pending.request)
        await self.announced(question_of_run(pending, self.store))

    async def announced(self, question: AnnouncedQuestion) -> None:
        """Announces, and waits until nothing more is sent."""
        self.webhook.announce(question)
        await asyncio.gather(*self.webhook._sending)


@pytest.fixture
async def receiver_of(
    sandbox: Sandbox, tmp_path: Path, serve: Callable[..., Awaitable[str]]
) -> AsyncIterator[Callable[..., Awaitable[Receiver]]]:
    clients: list[httpx.AsyncClient] = []

    async def make(**variables: str) -> Receiver:
        receiver = Receiver()
        origin = await serve(Starlette(routes=[Route("/hook", receiver.receive, methods=["POST"])]))
        file = tmp_path / "secret"
        file.write_text(SECRET)
        settings = read_settings(
            sandbox.environment
            | {"APPROVAL_WEBHOOK_URL": f"{origin}/hook", "APPROVAL_WEBHOOK_SECRET_FILE": str(file)}
            | {"APPROVAL_WEBHOOK_PAGE": "https://page.example/chat", **variables}
        )
        clients.append(http_client(None, 5.0))
        variables_of_it = settings.of(WebhookVariables)
        receiver.webhook = ApprovalWebhook(variables_of_it, clients[-1], lambda: NOW, receiver.pause)
        return receiver

    yield make
    for client in clients:
        await client.aclose()


ReceiverOf = Callable[..., Awaitable[Receiver]]


async def test_message_is_signed_links_to_the_page_and_has_no_arguments(receiver_of: ReceiverOf) -> None:
    receiver = await receiver_of()
    await receiver.sent(PendingApproval(request_of(approvers="finance"), {"amount": 5}))
    [(headers, body)] = receiver.messages
    message = json.loads(body)
    assert (message["type"], message["data"]["id"], message["data"]["approvers"]) == (
        *("approval.requested", "1"),
        "finance",
    )
    assert message["data"]["url"] == "https://page.example/chat#approval=1"
    assert not {"arguments", "display", "thread_id"} & message["data"].keys()
    assert "authorization" not in headers
    signed = f"{headers['webhook-id']}.{headers['webhook-timestamp']}.".encode() + body
    expected = base64.b64encode(hmac.digest(KEY, signed, "sha256")).decode()
    assert headers["webhook-signature"] == f"v1,{expected}"
    relay: dict[str, Any] = {}
    exec(RELAY.read_text(), relay)  # noqa: S102 - the documented relay
    relay["time"] = SimpleNamespace(time=lambda: NOW + 1)
    assert relay["verified"](headers, body, SECRET)
    assert not relay["verified"](headers, body + b" ", SECRET)

    open_hearted = await receiver_of(APPROVAL_WEBHOOK_ARGUMENTS="true")
    await open_hearted.sent(PendingApproval(request_of(), {"amount": 5}))
    assert json.loads(open_hearted.messages[0][1])["data"]["arguments"] == {"amount": 5}
    agreed = request_of(id="2", approvers="finance", read=("payroll.payslip: confidential",))
    for number, request in enumerate((agreed, replace(agreed, id="3", approvers=None)), 1):
        await open_hearted.sent(PendingApproval(request, {"amount": 8250}))
        asks_others = request.approvers is not None
        assert (b"8250" in open_hearted.messages[number][1]) is asks_others


async def test_failed_message_is_sent_again_with_its_id_and_no_redirect_is_followed(receiver_of):
    receiver = await receiver_of()
    receiver.responses = [
        Response(status_code=500),
        RedirectResponse("/hook", 307),
        Response(status_code=429),
    ]
    await receiver.sent(PendingApproval(request_of(), {}))
    assert receiver.pauses == [1, 5, 30]
    assert {headers["webhook-id"] for headers, _ in receiver.messages} == {"msg_1"}
    assert len(receiver.messages) == 4

    receiver.responses = [Response(status_code=503)] * 9
    await receiver.sent(PendingApproval(request_of(id="2"), {}))
    assert len(receiver.messages) == 4 + 6
    await receiver.sent(PendingApproval(request_of(id="3", expires_at=NOW + 1), {}))
    assert len(receiver.messages) == 4 + 6 + 1


async def test_question_that_is_no_longer_open_is_not_sent_again(receiver_of: ReceiverOf) -> None:
    receiver, asked = await receiver_of(), request_of()

    async def decide(seconds: float) -> None:
        if len(receiver.messages) == 2:
            await receiver.store.decide("1", asked.principal, approved=True, digest=asked.digest, at=NOW)

    receiver.webhook.sleep = decide
    receiver.responses = [Response(status_code=503)] * 9
    await receiver.sent(PendingApproval(asked, {}))
    assert len(receiver.messages) == 2


async def test_question_that_no_run_asks_is_sent_with_who_asks_in_its_own_words(
    receiver_of: ReceiverOf,
) -> None:
    receiver = await receiver_of()

    async def is_open() -> bool:
        return not receiver.messages

    receiver.responses = [Response(status_code=503)] * 9
    pending = PendingApproval(request_of(), {})
    await receiver.announced(AnnouncedQuestion(pending, "Begin?", is_open, {"prepared_by": "job"}))
    [(_, body)] = receiver.messages
    sent = json.loads(body)["data"]
    assert (sent["text"], sent["prepared_by"]) == ("Begin?", "job")


async def test_message_is_sent_when_the_store_can_be_read_again(receiver_of: ReceiverOf) -> None:
    receiver = await receiver_of()
    asked: list[bool] = []

    async def is_open() -> bool:
        asked.append(True)
        if len(asked) == 1:
            raise UnavailableError(GraphCode.APPROVAL_UNAVAILABLE, "the database does not answer")
        return True

    receiver.responses = [Response(status_code=503)]
    await receiver.announced(AnnouncedQuestion(PendingApproval(request_of(), {}), "Begin?", is_open))
    assert (receiver.pauses, len(receiver.messages)) == ([1, 5], 2)


async def test_gone_address_receives_nothing_more_and_messages_that_wait_are_bounded(receiver_of):
    receiver = await receiver_of()
    for number in range(500):
        pending = PendingApproval(request_of(id=str(number)), {})
        receiver.webhook.announce(question_of_run(pending, receiver.store))
    assert len(receiver.webhook._sending) == 200
    await receiver.webhook.aclose()
    receiver.messages.clear()
    receiver.responses = [Response(status_code=410)]
    for _ in range(2):
        await receiver.sent(PendingApproval(request_of(), {}))
    assert len(receiver.messages) == 1


@pytest.mark.parametrize("secret", ["whsec_c2hvcnQ=", "plain", "whsec_" + "?" * 40])
async def test_secret_of_another_form_stops_the_start(sandbox: Sandbox, tmp_path: Path, secret: str) -> None:
    file = tmp_path / "secret"
    file.write_text(secret)
    variables = {"APPROVAL_WEBHOOK_URL": "https://hook.example", "APPROVAL_WEBHOOK_SECRET_FILE": str(file)}
    with pytest.raises(ConfigurationError) as caught:
        read_settings(sandbox.environment | variables)
    assert [secret in fault for fault in caught.value.faults] == [False, False]


async def test_agent_with_the_variables_sends_the_question_of_a_run(
    threads: ThreadsOf, tmp_path: Path, serve: Callable[..., Awaitable[str]]
) -> None:
    received: asyncio.Queue[dict[str, Any]] = asyncio.Queue()

    async def receive(request: Request) -> Response:
        await received.put(await request.json())
        return Response(status_code=204)

    origin = await serve(Starlette(routes=[Route("/hook", receive, methods=["POST"])]))
    (file := tmp_path / "secret").write_text(SECRET)
    variables = {"APPROVAL_WEBHOOK_URL": f"{origin}/hook", "APPROVAL_WEBHOOK_SECRET_FILE": str(file)}
    page = {"APPROVAL_WEBHOOK_PAGE": "https://page.example/chat", "ACCESS_IDENTITY": "Human"}
    served = await threads([APPLY], **variables, **page)
    await served.say("Apply for leave")
    [approval] = (await served.ask("GET", "/threads/thread-1")).json()["approvals"]
    sent = (await received.get())["data"]
    assert (sent["id"], sent["tool"]) == (approval["id"], "leave_apply")
    assert '"Apply for leave (leave_apply)"' in sent["text"]
    assert sent["url"] == f"https://page.example/chat#approval={approval['id']}"
