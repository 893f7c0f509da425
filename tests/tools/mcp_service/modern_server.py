"""A server of MCP 2026-07-28 that checks each request as the specification says, written from it."""

import asyncio
import base64
import json
from collections import Counter

from starlette.requests import Request
from starlette.responses import JSONResponse, Response, StreamingResponse

META = "io.modelcontextprotocol/"
VERSION = "2026-07-28"
TOOL = {"name": "weather", "description": "The weather.", "inputSchema": {"type": "object"}}
TEXT = {"resultType": "complete", "content": [{"type": "text", "text": "sunny"}]}


def error(code, status=400, **data):
    body = {"jsonrpc": "2.0", "id": None, "error": {"code": code, "message": "no", "data": data}}
    return JSONResponse(body, status)


def decoded(value):
    """The value of a header, as a server compares it with the body."""
    if value is None or not value.startswith("=?base64?"):
        return value
    return base64.b64decode(value.removeprefix("=?base64?").removesuffix("?="), validate=True).decode()


class ModernServer:
    """`results` has the result of each method, or a function from the request's `params` to it.

    A result may be a response. With `streams`, `before` are events before the response. `keys` are accepted.
    """

    def __init__(self):
        self.results = {
            "server/discover": {"resultType": "complete", "supportedVersions": [VERSION], "capabilities": {}},
            "tools/list": {
                "resultType": "complete",
                "tools": [TOOL],
                "ttlMs": 60_000,
                "cacheScope": "private",
            },
            "tools/call": TEXT,
        }
        self.streams = False
        self.before = []
        self.keys = {"K1", "K2"}
        self.refusal = Response(status_code=401)
        self.counts = Counter()
        self.requests = []
        self.hanging = asyncio.Event()
        self.left = asyncio.Event()

    async def __call__(self, scope, receive, send):
        if scope["type"] != "http":
            return
        request = Request(scope, receive)
        body = await request.json()
        self.counts[body["method"]] += 1
        self.requests.append((request.headers, body))
        await (await self.answer(request, body))(scope, receive, send)

    async def answer(self, request, body):
        if request.headers.get("authorization", "").removeprefix("Bearer ") not in self.keys:
            return self.refusal
        meta = body.get("params", {}).get("_meta", {})
        if not {META + "protocolVersion", META + "clientCapabilities"} <= meta.keys():
            return error(-32602)
        names = {"mcp-protocol-version": meta[META + "protocolVersion"], "mcp-method": body["method"]}
        if body["method"] == "tools/call":
            names["mcp-name"] = body["params"]["name"]
        if any(decoded(request.headers.get(name)) != value for name, value in names.items()):
            return error(-32020)
        if body["method"] not in self.results:
            return error(-32601, 404)
        result = self.results[body["method"]]
        result = result(body["params"]) if callable(result) else result
        if isinstance(result, Response):
            return result
        response = {"jsonrpc": "2.0", "id": body["id"], "result": result}
        if not self.streams:
            return JSONResponse(response)
        events = [*(each(body) for each in self.before), response]
        text = "".join(f"data: {json.dumps(each)}\n\n" for each in events)
        return Response(text, media_type="text/event-stream")

    def hang(self, *events):
        """A stream that sends `events` and does not end until the client leaves."""

        async def stream():
            try:
                for each in events:
                    yield f"data: {json.dumps(each)}\n\n"
                self.hanging.set()
                await asyncio.Event().wait()
            finally:
                self.left.set()

        return StreamingResponse(stream(), media_type="text/event-stream")
