"""The HTTP face of the MCP server: the key is checked and the method counted before the protocol begins."""

import json
import secrets
from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.types import Message, Receive, Scope, Send

from sandbox.amap.sessions import Sessions
from sandbox.state.cloud import Cloud
from sandbox.state.vault import AMAP_API_KEY

PATH = "/api/v1/mcps/amap-maps/mcp"
_MAX_BODY = 1_000_000


class Endpoint:
    """An ASGI application for `PATH`.

    Every request must carry `Authorization: Bearer <key>`; otherwise 401 in the shape of Model Studio's
    native API (the vendor documents none for MCP). Counted are JSON-RPC methods (`amap:tools/call`),
    `amap:GET`, `amap:DELETE`, `amap:refused_credential`, and `amap:revoked_credential` for a key that used
    to be good.
    """

    def __init__(self, cloud: Cloud, sessions: Sessions) -> None:
        self._cloud = cloud
        self._sessions = sessions

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        request = Request(scope, receive)
        scheme, _, key = request.headers.get("authorization", "").partition(" ")
        if scheme.lower() != "bearer" or not self._cloud.vault.accepts(key, AMAP_API_KEY):
            self._count_refusal(key)
            await _refusal()(scope, receive, send)
            return
        if request.method != "POST":
            self._cloud.counters.count("amap", request.method)
            await self._sessions.handle(scope, receive, send)
            return
        body = await _body(request)
        if body is None:
            await JSONResponse({"code": "InvalidParameter", "message": "body too large"}, 413)(
                scope, receive, send
            )
            return
        self._cloud.counters.count("amap", _method(body))
        await self._sessions.handle(scope, _replay(body, receive), send)

    def _count_refusal(self, key: str) -> None:
        self._cloud.counters.count("amap", "refused_credential")
        if key and self._cloud.vault.was_valid(key, AMAP_API_KEY):
            self._cloud.counters.count("amap", "revoked_credential")


def _refusal() -> JSONResponse:
    return JSONResponse(
        {
            "code": "InvalidApiKey",
            "message": "Invalid API-key provided.",
            "request_id": secrets.token_hex(16),
        },
        401,
    )


async def _body(request: Request) -> bytes | None:
    body = bytearray()
    async for piece in request.stream():
        body += piece
        if len(body) > _MAX_BODY:
            return None
    return bytes(body)


def _method(body: bytes) -> str:
    """The JSON-RPC method; `response` for an answer of the client, `invalid` for anything else."""
    try:
        message: Any = json.loads(body)
    except ValueError:
        return "invalid"
    if not isinstance(message, dict):
        return "invalid"
    method = message.get("method")
    return method if isinstance(method, str) else "response"


def _replay(body: bytes, receive: Receive) -> Receive:
    """The body once more, then whatever the connection says."""
    pending: list[Message] = [{"type": "http.request", "body": body, "more_body": False}]

    async def replay() -> Message:
        return pending.pop() if pending else await receive()

    return replay
