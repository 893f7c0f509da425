"""The channels of the bot of examples/bot: who wrote a message is signed, or the message is refused."""

import base64
import hashlib
import hmac
import importlib
import itertools
import json
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import pytest
from cryptography.hazmat.primitives.ciphers import Cipher
from cryptography.hazmat.primitives.ciphers.algorithms import AES
from cryptography.hazmat.primitives.ciphers.modes import CBC
from cryptography.hazmat.primitives.padding import PKCS7
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Route

EXAMPLE = Path(__file__).parent.parent / "examples" / "bot"
KEY, TOKEN = "encrypt-key", "verification-token"


@dataclass
class EchoBot:
    """In place of the bot: replies with who asked what."""

    asked: list[str] = field(default_factory=list)

    async def reply(self, person: str, text: str) -> str:
        self.asked.append(person)
        return f"{person}: {text}"


@dataclass
class Feishu:
    """The chat service, as the bot's channel sees it."""

    bot: EchoBot
    http: httpx.AsyncClient
    sent: list[dict[str, Any]]
    numbers: Iterator[int] = field(default_factory=itertools.count)

    def event(self, person: str, text: str, **message: str) -> dict[str, Any]:
        written = {"chat_type": "p2p", "content": json.dumps({"text": text}), **message}
        about = {"event_id": f"e{next(self.numbers)}", "event_type": "im.message.receive_v1"}
        sender = {"sender_id": {"open_id": person}}
        return {"schema": "2.0", "header": about, "event": {"sender": sender, "message": written}}

    async def post(
        self, event: dict[str, Any], *, key: str = KEY, signed: bytes | None = None, age: int = 0
    ) -> httpx.Response:
        """Sends `event` with a signature of the body, or of `signed` in its place."""
        body = encrypted(event, KEY)
        timestamp = str(int(time.time()) - age)
        digest = hashlib.sha256(f"{timestamp}nonce{key}".encode() + (signed or body)).hexdigest()
        names = ("X-Lark-Request-Timestamp", "X-Lark-Request-Nonce", "X-Lark-Signature")
        headers = dict(zip(names, (timestamp, "nonce", digest), strict=True))
        return await self.http.post("/chat", content=body, headers=headers)


def encrypted(event: dict[str, Any], key: str) -> bytes:
    padder = PKCS7(128).padder()
    padded = padder.update(json.dumps(event).encode()) + padder.finalize()
    cipher = Cipher(AES(hashlib.sha256(key.encode()).digest()), CBC(bytes(16))).encryptor()
    sealed = bytes(16) + cipher.update(padded) + cipher.finalize()
    return json.dumps({"encrypt": base64.b64encode(sealed).decode()}).encode()


@pytest.fixture
def modules(monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    monkeypatch.syspath_prepend(str(EXAMPLE))
    return {name: importlib.import_module(name) for name in ("channel", "feishu")}


@pytest.fixture
async def feishu(modules: dict[str, Any]) -> Feishu:
    sent: list[dict[str, Any]] = []

    async def token(request: Request) -> JSONResponse:
        assert (await request.json()) == {"app_id": "app", "app_secret": "app secret"}
        return JSONResponse({"code": 0, "tenant_access_token": "t-1"})

    async def message(request: Request) -> JSONResponse:
        assert request.headers["authorization"] == "Bearer t-1"
        assert request.query_params["receive_id_type"] == "open_id"
        sent.append(await request.json())
        return JSONResponse({"code": 0})

    routes = [
        Route("/open-apis/auth/v3/tenant_access_token/internal", token, methods=["POST"]),
        Route("/open-apis/im/v1/messages", message, methods=["POST"]),
    ]
    api = httpx.AsyncClient(transport=httpx.ASGITransport(Starlette(routes=routes)))
    bot = EchoBot()
    replies = modules["feishu"].Replies(api, "app", "app secret", "http://api")
    served = modules["feishu"].application(bot, None, replies, key=KEY, token=TOKEN)
    return Feishu(bot, httpx.AsyncClient(transport=httpx.ASGITransport(served), base_url="http://bot"), sent)


async def test_feishu_message_is_answered_to_its_writer_alone_and_once(feishu: Feishu) -> None:
    event = feishu.event("ou_alice", "How many days?")
    assert (await feishu.post(event)).json() == (await feishu.post(event)).json() == {}
    content = json.dumps({"text": "ou_alice: How many days?"})
    assert feishu.sent == [{"receive_id": "ou_alice", "msg_type": "text", "content": content}]


async def test_feishu_message_with_a_forged_user_id_is_refused(feishu: Feishu) -> None:
    of_mallory, forged = feishu.event("ou_mallory", "My salary?"), feishu.event("ou_alice", "My salary?")
    responses = [
        await feishu.post(forged, signed=encrypted(of_mallory, KEY)),
        await feishu.post(forged, key="guessed"),
        await feishu.post(forged, age=301),
        await feishu.http.post("/chat", content=encrypted(forged, KEY)),
        await feishu.http.post("/chat", content=encrypted(forged, "guessed")),
        await feishu.http.post("/chat", json=forged),
        await feishu.http.post("/chat", content=b"no JSON"),
    ]
    assert [response.status_code for response in responses] == [403] * 7
    assert feishu.bot.asked == feishu.sent == []


async def test_feishu_group_gets_no_answer_and_other_events_none_at_all(feishu: Feishu) -> None:
    await feishu.post(feishu.event("ou_alice", "My salary?", chat_type="group"))
    [told] = feishu.sent
    assert (told["receive_id"], "in a group" in told["content"], feishu.bot.asked) == ("ou_alice", True, [])
    other = feishu.event("ou_alice", "")
    other["header"]["event_type"] = "im.chat.updated_v1"
    assert (await feishu.post(other)).json() == {}
    assert len(feishu.sent) == 1


async def test_feishu_verifies_the_address_with_the_token_of_the_app(feishu: Feishu) -> None:
    asked = {"type": "url_verification", "challenge": "c", "token": TOKEN}
    response = await feishu.http.post("/chat", content=encrypted(asked, KEY))
    assert response.json() == {"challenge": "c"}
    for wrong in ({**asked, "token": "another"}, {**asked, "type": "event"}):
        assert (await feishu.http.post("/chat", content=encrypted(wrong, KEY))).status_code == 403


async def test_signature_of_a_dingtalk_message_is_that_of_no_other_message(modules: dict[str, Any]) -> None:
    bot = EchoBot()
    served = modules["channel"].application(bot, None, None, secret="robot", replies="http://replies")
    timestamp = str(round(time.time() * 1000))
    sign = base64.b64encode(hmac.digest(b"robot", f"{timestamp}\nrobot".encode(), "sha256")).decode()
    headers = {"timestamp": timestamp, "sign": sign}
    async with httpx.AsyncClient(transport=httpx.ASGITransport(served), base_url="http://bot") as http:
        body = {"msgId": "1", "senderStaffId": "mallory", "conversationType": "1", "text": {"content": ""}}
        assert (await http.post("/chat", json=body, headers=headers)).status_code == 200
        assert (await http.post("/chat", json=body, headers=headers)).json() == {}
        forged = {**body, "msgId": "2", "senderStaffId": "alice"}
        assert (await http.post("/chat", json=forged, headers=headers)).status_code == 403
    assert bot.asked == ["mallory"]
