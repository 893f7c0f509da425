"""A service of either kind sends its credential at the placement of the requirement, and at no other."""

import asyncio
from urllib.parse import parse_qs

import pytest
from starlette.responses import Response

from identity.credentials.placement import Placement
from identity.credentials.requirement import ApiKeyRequirement
from tests.recorder import Recorder
from tests.tools.mcp_service.mcp_server import Server
from tests.tools.service_failure import failure_of
from tools.error_codes import ToolCode
from tools.http_service.service import HTTPService
from tools.mcp_service.service import MCPService

PLACEMENTS = [Placement("X-API-Key"), Placement("api-key"), Placement(query="key")]


@pytest.mark.promise("no-secret-leaves")
@pytest.mark.parametrize("placement", PLACEMENTS)
async def test_http_service_places_its_key(serve, key_ring, caplog, placement):
    caplog.set_level("DEBUG")
    recorder = Recorder(lambda r: Response(f"{r.url} {dict(r.headers)}"))
    service = HTTPService("s", await serve(recorder), ApiKeyRequirement("key", placement=placement))

    @service.tool
    async def get(http):
        """Gets."""
        return (await http.get("a", params={"b": 1})).text

    result = await service.call("get", {}, key_ring("canary"))
    await service.aclose()
    (request,) = recorder.requests
    assert "authorization" not in request.headers
    sent = request.headers[placement.header] if placement.header else request.query_params["key"]
    assert (sent, request.query_params["b"]) == ("canary", "1")
    assert "canary" not in result.text + caplog.text


async def test_error_for_a_key_that_cannot_be_sent_does_not_contain_it(serve, key_ring):
    recorder = Recorder(lambda _: Response("ok"))
    service = HTTPService("s", await serve(recorder), ApiKeyRequirement("key"))

    @service.tool
    async def get(http):
        """Gets."""
        return (await http.get()).text

    error = await failure_of(service.call("get", {}, key_ring("can\nary")))
    assert error.code is ToolCode.SERVICE_FAILED
    assert "can\nary" not in f"{error} {error.detail}"
    assert recorder.requests == []
    await service.aclose()


class PlacedKeys:
    """`server` for clients that send their key at `placement` and at no other."""

    def __init__(self, server: Server, placement: Placement) -> None:
        self.server, self.placement = server, placement

    async def __call__(self, scope, receive, send):
        if scope["type"] == "http":
            headers = dict(scope["headers"])
            assert b"authorization" not in headers
            if self.placement.header:
                key = headers.get(self.placement.header.lower().encode())
            else:
                (key,) = parse_qs(scope["query_string"])[self.placement.query.encode()]
            scope = {**scope, "headers": [*headers.items(), (b"authorization", b"Bearer " + key)]}
        await self.server(scope, receive, send)


@pytest.fixture
async def maps(serve):
    """Makes an MCP service whose key is at a placement."""
    services = []

    async def make(server, placement, path="/mcp", **options):
        url = await serve(PlacedKeys(server, placement)) + path
        services.append(MCPService("maps", url, ApiKeyRequirement("key", placement=placement), **options))
        return services[-1]

    yield make
    for service in services:
        await service.aclose()


@pytest.mark.promise("no-secret-leaves")
@pytest.mark.parametrize("placement", PLACEMENTS)
async def test_mcp_service_places_its_key_on_every_request_of_a_session(maps, key_ring, caplog, placement):
    caplog.set_level("DEBUG")
    server = Server()
    server.keys = {"canary"}
    service = await maps(server, placement, path="/mcp?a=1")
    access = key_ring("canary")
    await service.tools(access)
    assert (await service.call("weather", {"city": "x"}, access)).ok
    waiting = asyncio.create_task(service.call("waits", {}, access))
    await server.entered.wait()
    waiting.cancel()
    await server.stopped.wait()
    await service.aclose()
    assert {method for method, _, _ in server.seen} == {
        "tools/list of 2026-07-28", "initialize", "notifications/initialized", "tools/list", "tools/call",
        "notifications/cancelled", "DELETE",
    }  # fmt: skip
    assert {key for _, key, _ in server.seen} == {"canary"}
    assert "canary" not in caplog.text


@pytest.mark.parametrize("placement", PLACEMENTS)
async def test_renewed_key_of_an_mcp_service_has_the_same_placement(maps, key_ring, placement):
    server = Server()
    service = await maps(server, placement)
    access = key_ring("K1", "K2")
    await service.tools(access)
    server.keys.remove("K1")
    assert (await service.call("weather", {"city": "x"}, access)).ok
    assert (len(access.renewals), server.seen[-1][:2]) == (1, ("tools/call", "K2"))


async def test_error_for_a_key_that_an_mcp_service_cannot_send_does_not_contain_it(maps, key_ring):
    server = Server()
    service = await maps(server, Placement("X-API-Key"))
    error = await failure_of(service.call("weather", {"city": "x"}, key_ring("can\nary")))
    assert (error.code, "visible ASCII" in error.detail) == (ToolCode.SERVICE_FAILED, True)
    assert "can\nary" not in f"{error} {error.detail}"
    assert server.seen == []
