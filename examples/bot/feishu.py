"""A channel as Feishu (Lark) has it: encrypted, signed events in, replies by its API.

    python feishu.py

The signature covers the body, and so who wrote a message: an event with a forged user id is refused.
"""

import base64
import hashlib
import hmac
import json
import os
import time
from collections import OrderedDict
from typing import Any
from urllib.parse import urlsplit

import httpx
import uvicorn
from bot import Bot
from channel import ALONE, returning, sign_in_of
from cryptography.hazmat.primitives.ciphers import Cipher
from cryptography.hazmat.primitives.ciphers.algorithms import AES
from cryptography.hazmat.primitives.ciphers.modes import CBC
from cryptography.hazmat.primitives.padding import PKCS7
from sign_in import SignIn
from starlette.applications import Starlette
from starlette.background import BackgroundTask
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

FEISHU = "https://open.feishu.cn"


def is_signed(request: Request, body: bytes, key: str, now: float) -> bool:
    """Whether Feishu sent `body` within five minutes. `key` is the app's Encrypt Key."""
    timestamp = request.headers.get("x-lark-request-timestamp", "")
    nonce = request.headers.get("x-lark-request-nonce", "")
    digest = hashlib.sha256(f"{timestamp}{nonce}{key}".encode() + body).hexdigest()
    same = hmac.compare_digest(digest.encode(), request.headers.get("x-lark-signature", "").encode())
    return same and timestamp.isdecimal() and abs(now - int(timestamp)) < 300


def decrypted(body: bytes, key: str) -> dict[str, Any]:
    """The event in `body`. Encryption alone proves nothing of its sender. Raises `ValueError`."""
    sealed = base64.b64decode(json.loads(body)["encrypt"])
    cipher = Cipher(AES(hashlib.sha256(key.encode()).digest()), CBC(sealed[:16])).decryptor()
    padded = cipher.update(sealed[16:]) + cipher.finalize()
    unpadder = PKCS7(128).unpadder()
    event: dict[str, Any] = json.loads(unpadder.update(padded) + unpadder.finalize())
    return event


class Replies:
    """Sends texts to people, as the app."""

    def __init__(self, http: httpx.AsyncClient, app_id: str, app_secret: str, api: str = FEISHU) -> None:
        self._http = http
        self._app = {"app_id": app_id, "app_secret": app_secret}
        self._api = api

    async def send(self, person: str, text: str) -> None:
        """Sends `text` to the person of this `open_id`, and to nobody else."""
        issued = await self._http.post(
            f"{self._api}/open-apis/auth/v3/tenant_access_token/internal", json=self._app
        )
        token = issued.raise_for_status().json()["tenant_access_token"]
        message = {"receive_id": person, "msg_type": "text", "content": json.dumps({"text": text})}
        sent = await self._http.post(
            f"{self._api}/open-apis/im/v1/messages?receive_id_type=open_id",
            json=message,
            headers={"Authorization": f"Bearer {token}"},
        )
        sent.raise_for_status()


def application(bot: Bot, sign_in: SignIn, replies: Replies, *, key: str, token: str) -> Starlette:
    """`key` is the app's Encrypt Key, and `token` its Verification Token: set both in Feishu."""
    seen: OrderedDict[str, None] = OrderedDict()

    async def event(request: Request) -> Response:
        body = await request.body()
        signed = is_signed(request, body, key, time.time())
        try:
            sent = decrypted(body, key)
        except (ValueError, KeyError, TypeError):
            return Response(status_code=403)
        if sent.get("type") == "url_verification" and hmac.compare_digest(str(sent["token"]), token):
            return JSONResponse({"challenge": sent["challenge"]})  # it asks nothing, and says who we are
        if not signed:
            return Response(status_code=403)
        header = sent["header"]
        if header["event_type"] != "im.message.receive_v1" or header["event_id"] in seen:
            return JSONResponse({})
        seen[header["event_id"]] = None
        if len(seen) > 10_000:
            seen.popitem(last=False)
        # Feishu waits for three seconds, and then sends the event again.
        return JSONResponse({}, background=BackgroundTask(reply, sent["event"]))

    async def reply(message: dict[str, Any]) -> None:
        person = message["sender"]["sender_id"]["open_id"]
        written = message["message"]
        text = ALONE
        if written["chat_type"] == "p2p":
            text = await bot.reply(person, json.loads(written["content"]).get("text", ""))
        await replies.send(person, text)

    return Starlette(routes=[Route("/chat", event, methods=["POST"]), returning(sign_in)])


def main() -> None:
    """Reads its variables; the README has them."""
    given = os.environ
    http = httpx.AsyncClient(timeout=200)
    sign_in = sign_in_of(given, http)
    bot = Bot(given["AGENT_URL"], given["PAGE_URL"], http, sign_in)
    replies = Replies(http, given["FEISHU_APP_ID"], given["FEISHU_APP_SECRET"])
    key, token = given["FEISHU_ENCRYPT_KEY"], given["FEISHU_VERIFICATION_TOKEN"]
    port = urlsplit(given["BOT_URL"]).port or int(given.get("BOT_PORT", "9010"))
    uvicorn.run(application(bot, sign_in, replies, key=key, token=token), port=port, access_log=False)


if __name__ == "__main__":
    main()
