"""Amap (高德) maps and weather, as Model Studio hosts them: an MCP server."""

import ssl

from identity.credentials.credential import ApiKeyRequirement
from tools.mcp_service.service import MCPService


def amap(
    url: str, identifier: str, *, ssl_context: ssl.SSLContext | None = None, seconds: float = 25.0
) -> MCPService:
    """The MCP server at `url`, called with the API key that IDaaS keeps under `identifier`."""
    return MCPService("amap", url, ApiKeyRequirement(identifier), ssl_context=ssl_context, seconds=seconds)
