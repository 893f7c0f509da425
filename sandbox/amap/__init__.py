"""The Amap MCP server as Model Studio hosts it: streamable HTTP, a key on every request, 15 tools.

`cloud.restart("amap")` forgets all sessions, as a restarted server does.
"""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.routing import Route
from starlette.types import ASGIApp

from sandbox.amap.endpoint import PATH, Endpoint
from sandbox.amap.sessions import Serving, Sessions, tool_server
from sandbox.faults.failing_service import observed
from sandbox.state.cloud import Cloud


def application(cloud: Cloud) -> ASGIApp:
    """Serves `/api/v1/mcps/amap-maps/mcp`; its lifespan must run. Faults are those of the service `amap`."""

    def serving() -> Serving:
        return Serving(cloud.settings.amap_stateless, cloud.settings.amap_json_response)

    sessions = Sessions(tool_server(cloud.clock), serving)
    cloud.on_reset(sessions.restart)
    cloud.on_restart("amap", sessions.restart)

    @asynccontextmanager
    async def lifespan(_: Starlette) -> AsyncIterator[None]:
        await sessions.start()
        try:
            yield
        finally:
            await sessions.stop()

    return Starlette(
        routes=[Route(PATH, Endpoint(cloud, sessions))],
        middleware=[Middleware(observed, cloud, "amap", error_body=_error_body)],
        lifespan=lifespan,
    )


def _error_body(status: int) -> object:
    code = "Throttling" if status == 429 else "InternalError"
    return {"code": code, "message": f"injected fault, status {status}", "request_id": "sandbox"}
