"""MCP servers that count their requests; the number of their tools is in the URL.

    python -m benchmarks.servers.many_tools PORT

`/mcp/<number>` has that many tools, and speaks 2025-11-25; `/new/<number>` speaks 2026-07-28, and its list is
for all users. `GET /requests` returns the number of requests since the last `GET`.
"""

import asyncio
import sys
from typing import Any

import orjson
import uvloop

from benchmarks.servers.services import TOOL, Connection, Delays, mcp_response


class CountingConnection(Connection):
    """`received` is a counter that all connections share: a list of one number."""

    def __init__(self, received: list[int]) -> None:
        super().__init__(Delays())
        self._requests = received

    def _respond(self, method: bytes, path: bytes, body: bytes) -> None:
        if path.startswith((b"/mcp/", b"/new/")) and method == b"post":
            self._requests[0] += 1
            request = orjson.loads(body)
            response = _tool_list(request, int(path[5:])) if request.get("method") == "tools/list" else None
            response = response or mcp_response(request)
            if path.startswith(b"/new/") and response is not None:
                response = _of_2026(response)
            status = b"200 OK" if response is not None else b"202 Accepted"
            self._send(status, b"application/json", response or b"")
        elif path == b"/requests":
            self._send(b"200 OK", b"application/json", orjson.dumps(self._requests[0]))
            self._requests[0] = 0
        elif path.startswith((b"/mcp/", b"/new/")):
            self._send(b"405 Method Not Allowed", b"text/plain", b"")
        else:
            super()._respond(method, path, body)


def _tool_list(request: dict[str, Any], number: int) -> bytes:
    """A response with `number` tools: the usual one and copies with other names."""
    others = [TOOL | {"name": f"maps_tool_{index}"} for index in range(1, number)]
    result = {"tools": [TOOL, *others]}
    return orjson.dumps({"jsonrpc": "2.0", "id": request["id"], "result": result})


def _of_2026(response: bytes) -> bytes:
    """A response with what the newer version adds to every result, and with a list that may be kept."""
    message = orjson.loads(response)
    about = {"resultType": "complete", "ttlMs": 3_600_000, "cacheScope": "public"}
    message["result"] = (
        {"supportedVersions": ["2026-07-28"], "capabilities": {"tools": {}}} | message["result"] | about
    )
    return orjson.dumps(message)


async def serve(port: int) -> None:
    """Serves on loopback until the process ends."""
    received = [0]
    loop = asyncio.get_running_loop()
    server = await loop.create_server(lambda: CountingConnection(received), "127.0.0.1", port)
    await server.serve_forever()


if __name__ == "__main__":
    uvloop.run(serve(int(sys.argv[1])))
