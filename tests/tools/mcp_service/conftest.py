"""An MCP service on a server of the test."""

import pytest

from identity.credentials.requirement import ApiKeyRequirement
from tools.mcp_service.service import MCPService


@pytest.fixture
async def service_at():
    services = []

    def make(origin, credential=None, **options):
        required = credential or ApiKeyRequirement("key")
        services.append(MCPService("maps", origin + "/mcp", required, **options))
        return services[-1]

    yield make
    for service in services:
        await service.aclose()
