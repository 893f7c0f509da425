"""A channel as DingTalk's robots have it: signed messages in; and the address to which browsers return.

    python channel.py

Another chat service is another file like this one.
"""

import base64
import hmac
import html
import os
import time
from collections import OrderedDict
from collections.abc import Mapping
from pathlib import Path
from urllib.parse import urlsplit

import httpx
import uvicorn
from bot import Bot
from sign_in import Client, EncryptedFile, SignIn
from starlette.applications import Starlette
from starlette.background import BackgroundTask
from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, Response
from starlette.routing import Route

ALONE = "Write to me alone: in a group, everybody would read your answers."
HEADERS = {
    "Content-Security-Policy": "default-src 'none'; frame-ancestors 'none'",
    "Referrer-Policy": "no-referrer",
    "Cache-Control": "no-store",
}


def is_signed(request: Request, secret: str, now: float) -> bool:
    """Whether the chat service sent it within five minutes, by the headers `timestamp` (ms) and `sign`."""
    timestamp = request.headers.get("timestamp", "")
    digest = hmac.digest(secret.encode(), f"{timestamp}\n{secret}".encode(), "sha256")
    same = hmac.compare_digest(base64.b64encode(digest), request.headers.get("sign", "").encode())
    return same and timestamp.isdecimal() and abs(now - int(timestamp) / 1000) < 300


def application(
    bot: Bot, sign_in: SignIn, http: httpx.AsyncClient, *, secret: str, replies: str
) -> Starlette:
    """`secret` is that of the robot. A reply is sent to the `sessionWebhook` of its message if that begins
    with `replies`, and otherwise in the response.
    """
    seen: OrderedDict[str, None] = OrderedDict()

    async def message(request: Request) -> Response:
        if not is_signed(request, secret, time.time()):
            return Response(status_code=403)
        sent = await request.json()
        signature = request.headers["sign"]
        if sent["msgId"] in seen:
            return JSONResponse({})
        if signature in seen:  # it does not cover the body: with it, others could write as anybody
            return Response(status_code=403)
        seen.update({sent["msgId"]: None, signature: None})
        while len(seen) > 20_000:
            seen.popitem(last=False)
        address = str(sent.get("sessionWebhook", ""))

        async def reply() -> dict[str, object]:
            alone = sent["conversationType"] == "1"
            text = await bot.reply(sent["senderStaffId"], sent["text"]["content"]) if alone else ALONE
            return {"msgtype": "text", "text": {"content": text}}

        async def send() -> None:
            await http.post(address, json=await reply())

        if address.startswith(replies):  # the chat service does not wait for as long as an answer may take
            return JSONResponse({}, background=BackgroundTask(send))
        return JSONResponse(await reply())

    return Starlette(routes=[Route("/chat", message, methods=["POST"]), returning(sign_in)])


def returning(sign_in: SignIn) -> Route:
    """The address to which browsers return."""

    async def signed_in(request: Request) -> Response:
        query = request.query_params
        found = await sign_in.returned(query.get("state", ""), query.get("code", ""))
        if found is None:
            return HTMLResponse("The link is not valid any more. Write to the bot again.", 400, HEADERS)
        person, code = (html.escape(each) for each in found)
        text = f"<p>Type this code into your chat with the bot, as <b>{person}</b>:</p><h1>{code}</h1>"
        warning = "<p>If another person sent you the link, close this page, and tell no one the code.</p>"
        return HTMLResponse(text + warning, headers=HEADERS)

    return Route("/signed-in", signed_in, methods=["GET"])


def sign_in_of(given: Mapping[str, str], http: httpx.AsyncClient) -> SignIn:
    """The sign-in of the variables."""
    client = Client(
        client_id=given["CLIENT_ID"],
        authorize_endpoint=given["AUTHORIZE_ENDPOINT"],
        token_endpoint=given["TOKEN_ENDPOINT"],
        redirect_uri=f"{given['BOT_URL']}/signed-in",
        scope=given["SCOPE"],
    )
    store = EncryptedFile(Path(given["TOKENS_FILE"]), base64.urlsafe_b64decode(given["TOKENS_KEY"]))
    return SignIn(client, http, store)


def main() -> None:
    """Reads its variables; the README has them."""
    given = os.environ
    http = httpx.AsyncClient(timeout=200)
    sign_in = sign_in_of(given, http)
    bot = Bot(given["AGENT_URL"], given["PAGE_URL"], http, sign_in)
    served = application(bot, sign_in, http, secret=given["CHAT_SECRET"], replies=given["CHAT_REPLIES"])
    port = urlsplit(given["BOT_URL"]).port or int(given.get("BOT_PORT", "9010"))
    uvicorn.run(served, port=port, access_log=False)  # the log would have the codes of IDaaS


if __name__ == "__main__":
    main()
