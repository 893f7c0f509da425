"""A service of either kind puts its credential where the requirement says, and nowhere else."""

import pytest
from starlette.responses import Response

from identity.credentials.credential import ApiKeyRequirement
from identity.credentials.placement import Placement
from tests.tools.http_service.http_recorder import Recorder
from tests.tools.mcp_service.mcp_server import Server
from tools.http_service.service import HTTPService
from tools.mcp_service.service import MCPService


@pytest.mark.promise("no-secret-leaves")
@pytest.mark.parametrize("placement", [Placement("X-API-Key"), Placement(query="key")])
async def test_http_service_places_its_key(serve, key_ring, caplog, placement):
    caplog.set_level("DEBUG")
    recorder = Recorder(lambda r: Response(f"{r.url} {dict(r.headers)}"))
    service = HTTPService("s", await serve(recorder.app), ApiKeyRequirement("key", placement=placement))

    @service.tool
    async def get(http):
        """Gets."""
        return (await http.get("a", params={"b": 1})).text

    result = await service.call("get", {}, key_ring("canary"))
    await service.aclose()
    (request,) = recorder.requests
    assert "authorization" not in request.headers
    sent = request.headers.get("x-api-key") if placement.header else request.query_params["key"]
    assert (sent, request.query_params["b"]) == ("canary", "1")
    assert "canary" not in result.text + caplog.text


async def test_key_that_cannot_be_sent_is_a_failure_without_the_key(serve, key_ring):
    recorder = Recorder(lambda _: Response("ok"))
    service = HTTPService("s", await serve(recorder.app), ApiKeyRequirement("key"))

    @service.tool
    async def get(http):
        """Gets."""
        return (await http.get()).text

    with pytest.raises(Exception, match="service_failed") as caught:
        await service.call("get", {}, key_ring("can\nary"))
    assert "ary" not in caught.value.detail.replace("necessary", "")
    assert recorder.requests == []
    await service.aclose()


async def test_mcp_service_places_its_key_and_offers_the_allowed_tools_only(serve, key_ring):
    server, keys = Server(), []

    async def recorded(scope, receive, send):
        if scope["type"] == "http":
            headers = [(name, value) for name, value in scope["headers"] if name != b"authorization"]
            keys.append(dict(headers).get(b"x-api-key"))
            scope = {**scope, "headers": [*headers, (b"authorization", b"Bearer K1")]}
        await server(scope, receive, send)

    server.keys = {"K1"}
    requirement = ApiKeyRequirement("key", placement=Placement("X-API-Key"))
    service = MCPService("maps", await serve(recorded) + "/mcp", requirement, allowed_tools=["weather"])
    access = key_ring("K1")
    assert [tool.name for tool in await service.tools(access)] == ["weather"]
    assert (await service.call("weather", {"city": "x"}, access)).ok
    refused = await service.call("waits", {}, access)
    assert (refused.ok, refused.called) == (False, False)
    await service.aclose()
    assert set(keys) == {b"K1"}
