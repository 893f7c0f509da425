"""One message of MCP over HTTP: read, validated and refused as its version says.

"Modern" is 2026-07-28, in which each request says all that it needs; "legacy" 2025-11-25 and older, with
`initialize` and no session.
"""

import base64
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from starlette.datastructures import Headers

from agent.api.json_rpc import (
    Members,
    RequestId,
    RpcCode,
    RpcError,
    is_request_id,
    read_request,
    result_response,
)
from tools import VERSION

MODERN: Final = "2026-07-28"
LEGACY: Final = ("2025-11-25", "2025-06-18", "2025-03-26")
SERVER: Final = {"name": "idaas-agent", "version": VERSION}
VERSION_HEADER: Final = "MCP-Protocol-Version"
HEADERS: Final = (VERSION_HEADER, "Mcp-Method", "Mcp-Name")
"""The headers that a page sends beside those of every route."""
META: Final = "io.modelcontextprotocol/"
_HEADER_MISMATCH: Final = -32020
CAPABILITY_MISSING: Final = -32021
_VERSION_UNSUPPORTED: Final = -32022
URL_REQUIRED: Final = -32042
"""Legacy alone: a person has to open a URL first."""


class McpError(RpcError):
    """A refused request."""

    def __init__(self, code: int, message: str, data: Members | None = None) -> None:
        super().__init__(code, message, data, log_name=f"mcp_{int(code)}")

    def status(self, *, modern: bool) -> int:
        """Modern clients read a status; legacy ones expect 200, unless it was no request."""
        if self.code in (RpcCode.PARSE_ERROR, RpcCode.INVALID_REQUEST):
            return 400
        if not modern:
            return 200
        return 404 if self.code == RpcCode.METHOD_NOT_FOUND else 400


@dataclass(frozen=True, slots=True)
class McpMessage:
    """A valid message. `method` is empty for a response of the client, which has nothing to respond to."""

    method: str
    params: Members
    modern: bool
    id: RequestId = None
    is_request: bool = True
    meta: Mapping[str, Any] = field(default_factory=dict)

    @property
    def progress_token(self) -> RequestId:
        """The client wants progress under it; `None`: it wants none."""
        token = self.meta.get("progressToken")
        return token if is_request_id(token) else None

    def asks(self, mode: str) -> bool:
        """Whether the client lets its user answer questions by `form` or `url`."""
        declared = self.meta[f"{META}clientCapabilities"].get("elicitation") if self.modern else None
        return isinstance(declared, Mapping) and (mode in declared or (mode == "form" and not declared))

    def result(self, members: Members) -> Members:
        """The response with a result."""
        if self.modern:
            members = {"resultType": "complete", "_meta": {f"{META}serverInfo": SERVER}} | members
        return result_response(self.id, members)


def is_modern(body: Any, headers: Headers) -> bool:  # noqa: ANN401 - any JSON value
    """Whether a message is of the modern version, or claims one that the agent does not know."""
    version = headers.get(VERSION_HEADER)
    return version not in (None, *LEGACY) or f"{META}protocolVersion" in _meta_of(body)


def read_message(body: Any, headers: Headers, *, modern: bool) -> McpMessage:  # noqa: ANN401 - any JSON value
    """The message in a JSON value. Raises `McpError`, also for a batch."""
    match body:
        case {"jsonrpc": "2.0", "result": _} | {"jsonrpc": "2.0", "error": _} if not modern:
            return McpMessage("", {}, modern, is_request=False)
    request = read_request(body, McpError)
    is_request = not request.is_notification
    if is_request and request.id is None:
        raise McpError(RpcCode.INVALID_REQUEST, "The id must not be null")
    if not isinstance(request.params, dict):
        raise McpError(RpcCode.INVALID_PARAMS, "params must be an object")
    meta = _meta_of(body)
    if modern and is_request:
        _check(request.method, request.params, meta, headers)
    return McpMessage(request.method, request.params, modern, request.id, is_request, meta)


def _check(method: str, params: Members, meta: Mapping[str, Any], headers: Headers) -> None:
    """Raises `McpError` unless a modern request says what it must, in the body and again in its headers."""
    version = meta.get(f"{META}protocolVersion")
    if not isinstance(version, str) or not isinstance(meta.get(f"{META}clientCapabilities"), dict):
        required = f"params._meta must have {META}protocolVersion and {META}clientCapabilities"
        raise McpError(RpcCode.INVALID_PARAMS, required)
    expected = {VERSION_HEADER: [version], "Mcp-Method": [method]}
    if method == "tools/call":
        name = str(params.get("name"))
        expected["Mcp-Name"] = [name, f"=?base64?{base64.b64encode(name.encode()).decode()}?="]
    for name, forms in expected.items():
        sent = [value.strip(" \t") for value in headers.getlist(name)]
        if len(sent) != 1 or sent[0] not in forms:
            raise McpError(_HEADER_MISMATCH, f"The header {name} must be sent once, with the body's value")
    if version != MODERN:
        supported = {"supported": [MODERN, *LEGACY], "requested": version}
        raise McpError(_VERSION_UNSUPPORTED, "The agent does not speak this version", supported)


def _meta_of(body: Any) -> Mapping[str, Any]:  # noqa: ANN401 - any JSON value
    match body:
        case {"params": {"_meta": dict(meta)}}:
            return meta
    return {}
