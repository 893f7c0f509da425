"""The Amap MCP server over the wire, with the official `mcp` client."""

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import httpx
import pytest
from mcp import ClientSession
from mcp.client.streamable_http import streamable_http_client

from sandbox.amap.tools import TOOLS
from sandbox.faults.faults import Fault

INITIALIZE = {
    "jsonrpc": "2.0",
    "id": 1,
    "method": "initialize",
    "params": {
        "protocolVersion": "2025-06-18",
        "capabilities": {},
        "clientInfo": {"name": "test", "version": "1"},
    },
}
LIST = {"jsonrpc": "2.0", "id": 2, "method": "tools/list"}
ACCEPT = {"Accept": "application/json, text/event-stream"}


@pytest.fixture
def url(sandbox) -> str:
    return sandbox.cloud.addresses.amap_url


@pytest.fixture
async def http(sandbox) -> AsyncIterator[httpx.AsyncClient]:
    headers = {"Authorization": f"Bearer {sandbox.cloud.secrets.amap_api_key}", **ACCEPT}
    async with httpx.AsyncClient(verify=sandbox.ssl_context, headers=headers) as client:
        yield client


@pytest.fixture
async def opened(http, url) -> dict[str, str]:
    """The header of a session that is open."""
    return {"Mcp-Session-Id": (await http.post(url, json=INITIALIZE)).headers["mcp-session-id"]}


@asynccontextmanager
async def session(http, url) -> AsyncIterator[ClientSession]:
    async with (
        streamable_http_client(url, http_client=http) as (read, write, _),
        ClientSession(read, write) as opened,
    ):
        await opened.initialize()
        yield opened


@pytest.mark.parametrize("versions", ["legacy", "both"])
async def test_official_client_of_the_older_version_lists_and_calls(sandbox, http, url, versions):
    sandbox.cloud.settings.amap_versions = versions
    async with session(http, url) as opened:
        tools = await opened.list_tools()
        assert [tool.name for tool in tools.tools] == [tool.name for tool in TOOLS]
        assert len(tools.tools) == 15
        result = await opened.call_tool("maps_weather", {"city": "杭州"})
    assert not result.isError
    (item,) = result.content
    weather = json.loads(item.text)
    assert weather["city"] == "杭州市"
    assert len(weather["forecasts"]) == 4
    assert sandbox.cloud.counters.snapshot()["amap:tools/call"] == 1
    assert sandbox.cloud.counters.snapshot()["amap:initialize"] == 1


async def test_failure_of_a_tool_is_a_result_and_not_an_http_error(http, url):
    async with session(http, url) as opened:
        unknown_city = await opened.call_tool("maps_weather", {"city": "Atlantis"})
        unknown_tool = await opened.call_tool("maps_teleport", {})
    assert unknown_city.isError
    assert unknown_city.content[0].text == "Error: Cannot read properties of undefined (reading 'city')"
    assert unknown_tool.isError


@pytest.mark.parametrize("authorization", [None, "Bearer sk-wrong", "Basic abc", "Bearer"])
async def test_request_without_the_key_is_refused_and_reaches_no_tool(sandbox, url, authorization):
    headers = {"Authorization": authorization} if authorization else {}
    async with httpx.AsyncClient(verify=sandbox.ssl_context) as without:
        answer = await without.post(url, json=INITIALIZE, headers={**ACCEPT, **headers})
    assert answer.status_code == 401
    assert answer.json()["code"] == "InvalidApiKey"
    assert sandbox.cloud.counters.snapshot() == {"amap:refused_credential": 1}


async def test_key_is_checked_on_every_request_of_a_session(sandbox, http, url, opened):
    sandbox.cloud.vault.rotate("amap_api_key", now=sandbox.clock())
    assert (await http.post(url, json=LIST, headers=opened)).status_code == 401
    assert sandbox.cloud.counters.snapshot()["amap:revoked_credential"] == 1


async def test_restart_forgets_sessions_and_takes_new_ones(sandbox, http, url, opened):
    assert (await http.post(url, json=LIST, headers=opened)).status_code == 200
    sandbox.cloud.restart("amap")
    assert (await http.post(url, json=LIST, headers=opened)).status_code == 404
    again = await http.post(url, json=INITIALIZE)
    assert again.status_code == 200
    assert again.headers["mcp-session-id"] != opened["Mcp-Session-Id"]


async def test_restart_ends_the_stream_that_a_session_has_open(sandbox, http, url, opened):
    async with http.stream("GET", url, headers=opened, timeout=10) as stream:
        assert stream.status_code == 200
        sandbox.cloud.restart("amap")
        async for _ in stream.aiter_raw():
            pass
    assert sandbox.cloud.counters.snapshot()["amap:GET"] == 1


async def test_session_that_the_client_deletes_is_gone(sandbox, http, url, opened):
    assert (await http.delete(url, headers=opened)).status_code == 200
    assert (await http.post(url, json=LIST, headers=opened)).status_code == 404
    assert sandbox.cloud.counters.snapshot()["amap:DELETE"] == 1


async def test_fault_answers_in_the_vendors_error_shape(sandbox, http, url):
    sandbox.cloud.faults.set("amap", Fault(status=503, times=1))
    faulty = await http.post(url, json=INITIALIZE)
    assert (faulty.status_code, faulty.json()["code"]) == (503, "InternalError")
    assert (await http.post(url, json=INITIALIZE)).status_code == 200


async def test_body_that_is_not_json_is_counted_and_left_to_the_protocol(sandbox, http, url):
    answer = await http.post(url, content=b"{", headers={"Content-Type": "application/json"})
    assert answer.status_code == 400
    assert sandbox.cloud.counters.snapshot()["amap:invalid"] == 1


VERSION = "io.modelcontextprotocol/protocolVersion"
META = {VERSION: "2026-07-28", "io.modelcontextprotocol/clientCapabilities": {}}
HEADERS = {"MCP-Protocol-Version": "2026-07-28", "Mcp-Method": "tools/call", "Mcp-Name": "maps_weather"}


@pytest.mark.parametrize(
    ("headers", "meta", "outcome"),
    [
        ({}, META, (200, None)),
        ({"Mcp-Name": "=?base64?bWFwc193ZWF0aGVy?="}, META, (200, None)),
        ({}, {}, (400, -32602)),
        ({"Mcp-Name": "maps_geo"}, META, (400, -32020)),
        ({"MCP-Protocol-Version": "2026-07-29"}, META, (400, -32020)),
        ({"MCP-Protocol-Version": "3000-01-01"}, META | {VERSION: "3000-01-01"}, (400, -32022)),
    ],
)
async def test_request_of_the_new_version_is_checked_against_its_headers(
    sandbox, http, url, headers, meta, outcome
):
    sandbox.cloud.settings.amap_versions = "both"
    params = {"name": "maps_weather", "arguments": {"city": "杭州"}, "_meta": meta}
    message = {"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": params}
    answer = await http.post(url, json=message, headers=HEADERS | headers)
    body = answer.json()
    assert (answer.status_code, body.get("error", {}).get("code")) == outcome
    assert "error" in body or "forecasts" in body["result"]["content"][0]["text"]


async def test_server_of_the_new_version_alone_refuses_the_older_one(sandbox, http, url):
    sandbox.cloud.settings.amap_versions = "modern"
    answer = await http.post(url, json=INITIALIZE)
    assert (answer.status_code, answer.json()["error"]["code"]) == (400, -32602)
