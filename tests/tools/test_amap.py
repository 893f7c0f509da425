"""The Amap service against the sandbox's MCP server: the official implementation, over TLS."""

import json

import pytest

from identity.credentials.requirement import ApiKeyRequirement
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


@pytest.mark.parametrize("versions", ["legacy", "modern", "both"])
async def test_warm_call_is_one_request(sandbox, service, access, versions):
    sandbox.cloud.settings.amap_versions = versions
    assert len(await service.tools(access)) == 15
    first = sandbox.cloud.counters.snapshot()
    assert first["amap:tools/list"] == (2 if versions == "legacy" else 1)
    assert first.get("amap:initialize", 0) == (versions == "legacy")
    assert "amap:server/discover" not in first
    sandbox.cloud.counters.reset()
    result = await service.call("maps_weather", {"city": "杭州"}, access)
    assert result.ok
    assert len(json.loads(result.text)["forecasts"]) == 4
    assert sandbox.cloud.counters.snapshot() == {"amap:tools/call": 1}
