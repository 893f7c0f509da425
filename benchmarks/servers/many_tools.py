"""An MCP server that counts its requests and has as many tools as its address says.

    python -m benchmarks.servers.many_tools PORT

`/mcp/<number>` has that many tools. `GET /requests` tells how many requests came to them since the last time.
"""

import asyncio
import sys
from typing import Any

import orjson
import uvloop

from benchmarks.servers.stand_ins import TOOL, Connection, Delays, mcp_answer


class CountingConnection(Connection):
    """`received` is shared by all connections: a list of one number."""

    def __init__(self, received: list[int]) -> None:
        super().__init__(Delays())
        self._requests = received

    def _answer(self, method: bytes, path: bytes, body: bytes) -> None:
        if path.startswith(b"/mcp/") and method == b"post":
            self._requests[0] += 1
            request = orjson.loads(body)
            answer = _listed(request, int(path[5:])) if request.get("method") == "tools/list" else None
            answer = answer or mcp_answer(request)
            status = b"200 OK" if answer is not None else b"202 Accepted"
            self._send(status, b"application/json", answer or b"")
        elif path == b"/requests":
            self._send(b"200 OK", b"application/json", orjson.dumps(self._requests[0]))
            self._requests[0] = 0
        elif path.startswith(b"/mcp/"):
            self._send(b"405 Method Not Allowed", b"text/plain", b"")
        else:
            super()._answer(method, path, body)


def _listed(request: dict[str, Any], number: int) -> bytes:
    """The usual tool, and others like it."""
    others = [TOOL | {"name": f"maps_tool_{index}"} for index in range(1, number)]
    result = {"tools": [TOOL, *others]}
    return orjson.dumps({"jsonrpc": "2.0", "id": request["id"], "result": result})


async def serve(port: int) -> None:
    """Serves on loopback until the process ends."""
    received = [0]
    loop = asyncio.get_running_loop()
    server = await loop.create_server(lambda: CountingConnection(received), "127.0.0.1", port)
    await server.serve_forever()


if __name__ == "__main__":
    uvloop.run(serve(int(sys.argv[1])))
