"""The Amap MCP server as Model Studio hosts it: streamable HTTP, a key on every request, 15 tools.

`cloud.restart("amap")` forgets all sessions, as a restarted server does.
"""

import json
import secrets
from typing import Any

from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Route
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from sandbox.amap.sessions import Sessions, tool_server
from sandbox.faults.failing_service import observed
from sandbox.oauth_error import read_body
from sandbox.state.cloud import Cloud
from sandbox.state.vault import AMAP_API_KEY

PATH = "/api/v1/mcps/amap-maps/mcp"
_MAX_BODY = 1_000_000


def application(cloud: Cloud) -> ASGIApp:
    """Serves `/api/v1/mcps/amap-maps/mcp`. Faults are those of the service `amap`."""
    settings = cloud.settings
    sessions = Sessions(
        tool_server(cloud.clock), lambda: (settings.amap_stateless, settings.amap_json_response)
    )
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
        operation, authorization = request.method, request.headers.get("authorization", "")
        if not self._cloud.presents_api_key("amap", authorization, AMAP_API_KEY):
            refusal = {"code": "InvalidApiKey", "message": "Invalid API-key provided."}
            await JSONResponse(refusal | {"request_id": secrets.token_hex(16)}, 401)(scope, receive, send)
            return
        if request.method == "POST":
            body = await read_body(request, _MAX_BODY)
            if body is None:
                refusal = {"code": "InvalidParameter", "message": "body too large"}
                await JSONResponse(refusal, 413)(scope, receive, send)
                return
            operation, receive = _method(body), _replay(body, receive)
        self._cloud.counters.count("amap", operation)
        await self._sessions.handle(scope, receive, send)


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
