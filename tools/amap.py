"""Amap (高德) maps and weather, as Model Studio hosts them: an MCP server."""

import ssl
from collections.abc import Sequence

from identity.credentials.requirement import ApiKeyRequirement
from tools.error_codes import ToolCode
from tools.mcp_service.service import MCPService


def amap(
    url: str,
    identifier: str,
    *,
    settings: Sequence[str] = (),
    ssl_context: ssl.SSLContext | None = None,
    seconds: float = 25.0,
) -> MCPService:
    """The MCP server at `url`, called with the API key that IDaaS keeps under `identifier`.

    `settings` are the names of the settings that both come from.
    """
    return MCPService(
        "amap",
        url,
        ApiKeyRequirement(identifier, ToolCode.EXTERNAL_API_KEY_UNAVAILABLE),
        error_code=ToolCode.EXTERNAL_SERVICE_FAILED,
        settings=settings,
        ssl_context=ssl_context,
        seconds=seconds,
    )
