"""An official MCP server in this process, which tests can stop, restart and make fail."""

import asyncio
import json
import time
from collections import Counter
from contextlib import contextmanager

import httpx
from mcp.server.fastmcp import Context, FastMCP
from mcp.types import ImageContent, TextContent
from pydantic import BaseModel
from starlette.requests import Request
from starlette.responses import Response

from identity.errors import ServiceError
from tests.tools import service_failure
from tests.tools.conftest import KeyRing
from tools.error_codes import ToolCode
from tools.mcp_service.legacy import LegacySession
from tools.mcp_service.session import Call
from tools.mcp_service.session import Server as Known
from tools.mcp_service.wire import Wire

MIB = 1024 * 1024
TOOL = {"name": "weather", "description": "The weather.", "inputSchema": {"type": "object"}}
INITIALIZED = {
    "protocolVersion": "2025-06-18",
    "capabilities": {},
    "serverInfo": {"name": "t", "version": "1"},
}


class Question(BaseModel):
    """What `asks` wants to know."""

    password: str


class Server:
    """An MCP server that checks keys. `response`, if set, is its response to every request. A request of the
    newer version is counted as such.
    """

    def __init__(self, *, stateless=False, json=False):
        self.options = {"stateless_http": stateless, "json_response": json}
        self.counts = Counter()
        self.keys = {"K1", "K2"}
        self.refusal = 401
        self.seen = []
        self.response = None
        self.gate = asyncio.Event()
        self.entered = asyncio.Event()
        self.left = asyncio.Event()
        self.stopped = asyncio.Event()
        self.start()

    def start(self):
        """Forgets all sessions, if there were any."""
        mcp = FastMCP("test", **self.options)

        @mcp.tool(structured_output=False)
        def weather(city: str) -> str:
            """The weather of a city."""
            return f"sunny in {city}"

        @mcp.tool(structured_output=False)
        def broken(city: str) -> str:
            """Fails."""
            raise ValueError("INVALID_USER_KEY")

        @mcp.tool()
        def structured(n: int) -> dict[str, int]:
            """Returns an object."""
            return {"n": n}

        @mcp.tool(structured_output=False)
        def picture() -> list:
            """Draws."""
            return [
                TextContent(type="text", text="here:"),
                ImageContent(type="image", data="aGk=", mimeType="image/png"),
            ]

        @mcp.tool(structured_output=False)
        async def waits() -> str:
            """Waits for the test."""
            self.entered.set()
            try:
                await self.gate.wait()
            except asyncio.CancelledError:
                self.stopped.set()
                raise
            return "done"

        @mcp.tool(structured_output=False)
        async def asks(ctx: Context) -> str:
            """Asks the user."""
            return (await ctx.elicit("Your password?", Question)).action

        self.mcp = mcp
        self.inner = mcp.streamable_http_app()

    async def restart(self):
        await self.stop()
        self.start()
        await self.run()

    async def run(self):
        up, self.down = asyncio.Event(), asyncio.Event()

        async def keep_running():
            async with self.mcp.session_manager.run():
                up.set()
                await self.down.wait()

        self.running = asyncio.create_task(keep_running())
        await up.wait()

    async def stop(self):
        self.down.set()
        await self.running

    async def __call__(self, scope, receive, send):
        if scope["type"] == "lifespan":
            await receive()
            await self.run()
            await send({"type": "lifespan.startup.complete"})
            await receive()
            await self.stop()
            await send({"type": "lifespan.shutdown.complete"})
            return
        request = Request(scope, receive)
        body = await request.body()
        method = (await request.json()).get("method", "response") if body else request.method
        if "mcp-method" in request.headers:
            method = f"{method} of 2026-07-28"
        self.counts[method] += 1
        key = request.headers.get("authorization", "").removeprefix("Bearer ")
        self.seen.append((method, key, request.headers.get("mcp-session-id")))
        if key not in self.keys:
            response = Response(f'{{"code":"InvalidApiKey","message":"{key}"}}', self.refusal)
        else:
            response = self.response
        if response is not None:
            await response(scope, receive, send)
            return

        async def replayed():
            nonlocal body
            if body is not None:
                sent, body = body, None
                return {"type": "http.request", "body": sent, "more_body": False}
            message = await receive()
            self.left.set()
            return message

        await self.inner(scope, replayed, send)


class MemoryServer:
    """A server of the older version without a transport (`httpx.MockTransport`). It responds by `results`: a
    result, or a function from a message to a response.
    """

    def __init__(self):
        self.counts = Counter()
        self.results = {
            "initialize": INITIALIZED,
            "tools/list": {"tools": [TOOL]},
            "tools/call": {"content": [{"type": "text", "text": "sunny"}]},
        }

    async def __call__(self, request):
        if request.method == "DELETE":
            return httpx.Response(204)
        message = json.loads(request.content)
        self.counts[message.get("method", "response")] += 1
        if "id" not in message or "method" not in message:
            return httpx.Response(202)
        result = self.results[message["method"]]
        return result(message) if callable(result) else whole(message, result)


def whole(message, result, kind="application/json"):
    body = json.dumps({"jsonrpc": "2.0", "id": message["id"], "result": result}, ensure_ascii=False)
    return httpx.Response(200, content=body.encode(), headers={"content-type": kind})


async def failure_of(call) -> ServiceError:
    """As `service_failure`, of a service of the kind that is tested here."""
    error = await service_failure.failure_of(call)
    assert error.code is (ToolCode.PERMISSION_MISSING if "lacks" in error.detail else ToolCode.SERVICE_FAILED)
    return error


@contextmanager
def limited(service, seconds):
    """Gives what begins within it `seconds`. What has to succeed gets more: a busy machine takes its time."""
    before, service._seconds = service._seconds, seconds
    yield
    service._seconds = before


def weather():
    """A call of the tool."""
    return Call("weather", {})


async def unchanged(tools):
    return tools


def session_on(http, *, max_bytes=MIB):
    """A session of the older version over `http`, which is not open yet."""
    wire = Wire(http, "http://localhost/mcp", max_bytes=max_bytes)
    return LegacySession(Known(wire, unchanged, 300, time.monotonic), KeyRing("K1").cached())
