"""The Amap MCP server as Model Studio hosts it: streamable HTTP, a key on every request, 15 tools.

`Settings.amap_versions` says which versions of MCP it speaks.
`cloud.restart("amap")` forgets all sessions, as a restarted server does.
"""

import contextlib
import json
import secrets
from typing import Any

from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Route
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from sandbox.amap.modern import VERSION, answer
from sandbox.amap.sessions import Sessions, tool_server
from sandbox.faults.failing_service import observed
from sandbox.oauth_error import read_body
from sandbox.state.cloud import Cloud
from sandbox.state.vault import AMAP_API_KEY

PATH = "/api/v1/mcps/amap-maps/mcp"
_MAX_BODY = 1_000_000


def application(cloud: Cloud) -> ASGIApp:
    """Serves `/api/v1/mcps/amap-maps/mcp`. Faults are those of the service `amap`."""
    sessions = Sessions(tool_server(cloud.clock))
    cloud.on_reset(sessions.restart)
    cloud.on_restart("amap", sessions.restart)
    cloud.stops.append(sessions.stop)
    return Starlette(
        routes=[Route(PATH, Endpoint(cloud, sessions))],
        middleware=[Middleware(observed, cloud, "amap", error_body=_error_body)],
    )


def _error_body(status: int) -> object:
    code = "Throttling" if status == 429 else "InternalError"
    return {"code": code, "message": f"injected fault, status {status}", "request_id": "sandbox"}


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
        message: dict[str, Any] = {}
        operation, authorization = request.method, request.headers.get("authorization", "")
        if not self._cloud.presents_api_key("amap", authorization, AMAP_API_KEY):
            refusal = {"code": "InvalidApiKey", "message": "Invalid API-key provided."}
            await JSONResponse(refusal | {"request_id": secrets.token_hex(16)}, 401)(scope, receive, send)
            return
        if request.method == "POST":
            body = await read_body(request, _MAX_BODY) or b""  # a larger one is no message
            message, receive = _message(body), _replay(body, receive)
            operation = message.get("method", "response") if message else "invalid"
        self._cloud.counters.count("amap", str(operation))
        versions, asked = self._cloud.settings.amap_versions, request.headers.get("mcp-protocol-version", "")
        modern = versions == "modern" or (versions == "both" and asked >= VERSION)
        served = answer(request.headers, message, self._cloud.clock()) if modern else self._sessions.handle
        await served(scope, receive, send)


def _message(body: bytes) -> dict[str, Any]:
    """The JSON-RPC message; empty for anything else."""
    with contextlib.suppress(ValueError):
        if isinstance(message := json.loads(body), dict):
            return message
    return {}


def _replay(body: bytes, receive: Receive) -> Receive:
    """The body once more, then whatever the connection says."""
    pending: list[Message] = [{"type": "http.request", "body": body, "more_body": False}]

    async def replay() -> Message:
        return pending.pop() if pending else await receive()

    return replay
