"""The Amap service against the sandbox's MCP server: the official implementation, over TLS."""

import json

import pytest

from identity.credentials.requirement import ApiKeyRequirement
from identity.errors import ServiceError
from sandbox.faults.faults import Fault
from tools.error_codes import ToolCode
from tools.mcp_service.service import MCPService


@pytest.fixture
async def service(sandbox):
    service = MCPService(
        "amap",
        sandbox.environment["EXTERNAL_SERVER_URL"],
        ApiKeyRequirement("amap_api_key"),
        error_code=ToolCode.EXTERNAL_SERVICE_FAILED,
        ssl_context=sandbox.ssl_context,
        seconds=5,
    )
    yield service
    await service.aclose()


@pytest.fixture
def access(sandbox, key_ring):
    return key_ring(sandbox.cloud.vault.find("amap_api_key").api_key)


async def test_hosted_tools_are_listed_with_their_schemas(service, access):
    tools = {tool.name: tool for tool in await service.tools(access)}
    assert len(tools) == 15
    assert tools["maps_weather"].parameters["required"] == ["city"]
    assert "credential" not in json.dumps([dict(tool.parameters) for tool in tools.values()])


@pytest.mark.parametrize("versions", ["legacy", "modern", "both"])
async def test_warm_call_is_one_request(sandbox, service, access, versions):
    sandbox.cloud.settings.amap_versions = versions
    await service.tools(access)
    first = sandbox.cloud.counters.snapshot()
    assert first["amap:tools/list"] == (2 if versions == "legacy" else 1)
    assert first.get("amap:initialize", 0) == (versions == "legacy")
    assert "amap:server/discover" not in first
    sandbox.cloud.counters.reset()
    result = await service.call("maps_weather", {"city": "杭州"}, access)
    assert result.ok
    assert len(json.loads(result.text)["forecasts"]) == 4
    assert sandbox.cloud.counters.snapshot() == {"amap:tools/call": 1}


@pytest.mark.promise("heals-by-itself")
async def test_call_succeeds_when_the_server_changes_its_version(sandbox, service, access):
    for versions in ("legacy", "modern", "legacy", "both"):
        sandbox.cloud.settings.amap_versions = versions
        assert (await service.call("maps_weather", {"city": "杭州"}, access)).ok


@pytest.mark.promise("heals-by-itself")
async def test_request_after_a_dropped_first_connection_succeeds(sandbox, service, access):
    sandbox.cloud.faults.set("amap", Fault(drop=True))
    with pytest.raises(ServiceError):
        await service.tools(access)
    sandbox.cloud.faults.clear()
    assert len(await service.tools(access)) == 15
