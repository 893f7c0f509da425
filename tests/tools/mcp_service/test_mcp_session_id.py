"""The session id of an MCP server is sent in a header: an id that is not valid there is refused."""

import json

import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from tests.tools.mcp_service.mcp_server import failure_of


def named(session_id: bytes) -> Starlette:
    """A server that opens a session under `session_id`, and lists no tools."""
    results = {
        "initialize": {
            "protocolVersion": "2025-06-18",
            "capabilities": {},
            "serverInfo": {"name": "x", "version": "1"},
        },
        "tools/list": {"tools": []},
    }

    async def handle(request: Request) -> Response:
        message = await request.json() if request.method == "POST" else {}
        if "id" not in message:
            return Response(status_code=202)
        body = {"jsonrpc": "2.0", "id": message["id"], "result": results[message["method"]]}
        response = Response(json.dumps(body), media_type="application/json")
        response.raw_headers.append((b"mcp-session-id", session_id))
        return response

    return Starlette(routes=[Route("/mcp", handle, methods=["POST", "DELETE"])])


@pytest.mark.parametrize("session_id", ["é".encode(), b"\xe9", b"a b", b"a\tb", b"a" * 1025])
async def test_id_that_is_not_visible_ascii_or_too_long_is_refused(serve, service_at, key_ring, session_id):
    service = service_at(await serve(named(session_id)))
    error = await failure_of(service.tools(key_ring("K1")))
    assert "session id" in error.detail


@pytest.mark.parametrize("session_id", [b"", b"a", b"!~" * 500])
async def test_visible_id_and_missing_id_are_accepted(serve, service_at, key_ring, session_id):
    service = service_at(await serve(named(session_id)))
    assert await service.tools(key_ring("K1")) == []
