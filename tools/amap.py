"""Amap (高德) maps and weather, as Model Studio hosts them: an MCP server."""

import ssl

from identity.credentials.credential import ApiKeyRequirement
from identity.error_table import ErrorCode
from tools.mcp_service.service import MCPService


def amap(
    url: str, identifier: str, *, ssl_context: ssl.SSLContext | None = None, seconds: float = 25.0
) -> MCPService:
    """The MCP server at `url`, called with the API key that IDaaS keeps under `identifier`."""
    return MCPService(
        "amap",
        url,
        ApiKeyRequirement(identifier, ErrorCode.EXTERNAL_API_KEY_UNAVAILABLE),
        error_code=ErrorCode.EXTERNAL_SERVICE_FAILED,
        settings=("EXTERNAL_SERVER_URL", "EXTERNAL_SERVER_API_KEY_IDENTIFIER"),
        ssl_context=ssl_context,
        seconds=seconds,
    )
