"""An MCP service on a server of the test."""

import httpx
import pytest

from identity.credentials.requirement import ApiKeyRequirement
from tests.tools.mcp_service.mcp_server import session_on
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


@pytest.fixture
async def session(server):
    """A session of the older version with the `server` of the test, in memory."""
    async with httpx.AsyncClient(transport=httpx.MockTransport(server)) as http:
        session = session_on(http)
        await session.open()
        yield session
        await session.end()
