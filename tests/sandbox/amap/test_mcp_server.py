"""The Amap MCP server over the wire: what it refuses."""

from collections.abc import AsyncIterator

import httpx
import pytest

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
ACCEPT = {"Accept": "application/json, text/event-stream"}


@pytest.fixture
def url(sandbox) -> str:
    return sandbox.cloud.addresses.amap_url


@pytest.fixture
async def http(sandbox) -> AsyncIterator[httpx.AsyncClient]:
    headers = {"Authorization": f"Bearer {sandbox.cloud.secrets.amap_api_key}", **ACCEPT}
    async with httpx.AsyncClient(verify=sandbox.ssl_context, headers=headers) as client:
        yield client


@pytest.mark.parametrize("authorization", [None, "Bearer sk-wrong", "Basic abc"])
async def test_request_without_the_key_is_refused_and_reaches_no_tool(sandbox, url, authorization):
    headers = {"Authorization": authorization} if authorization else {}
    async with httpx.AsyncClient(verify=sandbox.ssl_context) as without:
        answer = await without.post(url, json=INITIALIZE, headers={**ACCEPT, **headers})
    assert answer.status_code == 401
    assert answer.json()["code"] == "InvalidApiKey"
    assert sandbox.cloud.counters.snapshot() == {"amap:refused_credential": 1}


VERSION = "io.modelcontextprotocol/protocolVersion"
META = {VERSION: "2026-07-28", "io.modelcontextprotocol/clientCapabilities": {}}
HEADERS = {"MCP-Protocol-Version": "2026-07-28", "Mcp-Method": "tools/call", "Mcp-Name": "maps_weather"}


@pytest.mark.parametrize(
    ("headers", "meta", "outcome"),
    [
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
    assert (answer.status_code, answer.json().get("error", {}).get("code")) == outcome
