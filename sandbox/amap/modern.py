"""The map over MCP of 2026-07-28: each POST is a request of its own, checked as the specification says."""

from base64 import b64encode
from collections.abc import Mapping
from typing import Any, Final

from starlette.responses import JSONResponse, Response

from sandbox.amap.tools import TOOLS, called

VERSION: Final = "2026-07-28"
_META: Final = "io.modelcontextprotocol/"


def answer(headers: Mapping[str, str], message: Mapping[str, Any], now: float) -> Response:
    """The answer to a request, whose headers must repeat its members, as they are or in base64."""
    params, method = message.get("params") or {}, message.get("method")
    meta = params.get("_meta") or {}
    version = meta.get(f"{_META}protocolVersion")
    copies = {"mcp-protocol-version": version, "mcp-method": method, "mcp-name": params.get("name")}
    encoded = {
        name: f"=?base64?{b64encode(str(value).encode()).decode()}?=" for name, value in copies.items()
    }
    result: dict[str, Any] = {"resultType": "complete", "ttlMs": 300_000, "cacheScope": "public"}
    code = 0
    if version is None or f"{_META}clientCapabilities" not in meta:
        code = -32602
    elif any(headers.get(name) not in (value, encoded[name]) for name, value in copies.items()):
        code = -32020
    elif version != VERSION:
        code = -32022
    elif method == "server/discover":
        result |= {"supportedVersions": [VERSION], "capabilities": {"tools": {}}}
    elif method == "tools/list":
        result["tools"] = [tool.model_dump(exclude_none=True) for tool in TOOLS]
    elif method == "tools/call":
        text, failed = called(params["name"], params.get("arguments") or {}, now)
        result |= {"content": [{"type": "text", "text": text}], "isError": failed}
    else:
        code = -32601
    error = {"code": code, "message": "not a request of this version", "data": {"supported": [VERSION]}}
    outcome = {"error": error} if code else {"result": result}
    status = {0: 200, -32601: 404}.get(code, 400)
    return JSONResponse({"jsonrpc": "2.0", "id": message.get("id"), **outcome}, status)
