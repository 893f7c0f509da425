"""One message of MCP over HTTP: read, validated and refused as its version says.

"Modern" is 2026-07-28, in which each request says all that it needs; "legacy" 2025-11-25 and older, with
`initialize` and no session.
"""

import base64
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final, TypeAlias

from starlette.datastructures import Headers

from agent.errors.error_response import note_error
from tools import VERSION

MODERN: Final = "2026-07-28"
LEGACY: Final = ("2025-11-25", "2025-06-18", "2025-03-26")
SERVER: Final = {"name": "idaas-agent", "version": VERSION}
VERSION_HEADER: Final = "MCP-Protocol-Version"
HEADERS: Final = (VERSION_HEADER, "Mcp-Method", "Mcp-Name")
"""What a page sends beside the headers of every route."""
META: Final = "io.modelcontextprotocol/"
PARSE_ERROR, INVALID_REQUEST, METHOD_NOT_FOUND, INVALID_PARAMS = -32700, -32600, -32601, -32602
_HEADER_MISMATCH, CAPABILITY_MISSING, _VERSION_UNSUPPORTED = -32020, -32021, -32022
URL_REQUIRED: Final = -32042
"""Legacy alone: a person has to open a URL first."""
_STATUSES: Final = {METHOD_NOT_FOUND: 404}
_MAX_ID: Final = 1_024

Members: TypeAlias = dict[str, Any]
"""An object of MCP."""
MessageId: TypeAlias = str | int | None


class McpError(Exception):
    """A refused request, as JSON-RPC reports it."""

    def __init__(self, code: int, message: str, data: Members | None = None) -> None:
        super().__init__(message)
        self.code = code
        self.data = data

    def response(self, request_id: MessageId) -> Members:
        """The response to the request `request_id`; `None` if it could not be read."""
        note_error(f"mcp_{self.code}")
        error: Members = {"code": self.code, "message": str(self)}
        fault = error if self.data is None else error | {"data": self.data}
        return {"jsonrpc": "2.0", "id": request_id, "error": fault}

    def status(self, *, modern: bool) -> int:
        """Modern clients read a status; legacy ones expect 200, unless it was no request."""
        return _STATUSES.get(self.code, 400) if modern or self.code in (PARSE_ERROR, INVALID_REQUEST) else 200


@dataclass(frozen=True, slots=True)
class McpMessage:
    """A valid message. `method` is empty for a response of the client, which has nothing to respond to."""

    method: str
    params: Members
    modern: bool
    id: MessageId = None
    is_request: bool = True
    meta: Mapping[str, Any] = field(default_factory=dict)

    @property
    def progress_token(self) -> MessageId:
        """The client wants progress under it; `None`: it wants none."""
        token = self.meta.get("progressToken")
        return token if _is_id(token) else None

    def asks(self, mode: str) -> bool:
        """Whether the client lets its user answer questions by `form` or `url`."""
        declared = self.meta[f"{META}clientCapabilities"].get("elicitation") if self.modern else None
        return isinstance(declared, Mapping) and (mode in declared or (mode == "form" and not declared))

    def result(self, members: Members) -> Members:
        """The response with a result."""
        if self.modern:
            members = {"resultType": "complete", "_meta": {f"{META}serverInfo": SERVER}} | members
        return {"jsonrpc": "2.0", "id": self.id, "result": members}


def id_of(given: Any) -> MessageId:  # noqa: ANN401 - any JSON value
    """The id to respond with: `None` if there is none that MCP allows."""
    found = given.get("id") if isinstance(given, dict) else None
    return found if _is_id(found) else None


def is_modern(given: Any, headers: Headers) -> bool:  # noqa: ANN401 - any JSON value
    """Whether a message is of the modern version, or claims one that the agent does not know."""
    version = headers.get(VERSION_HEADER)
    return version not in (None, *LEGACY) or f"{META}protocolVersion" in _meta_of(given)


def read_message(given: Any, headers: Headers, *, modern: bool) -> McpMessage:  # noqa: ANN401 - any JSON value
    """The message in a JSON value. Raises `McpError`, also for a batch."""
    match given:
        case {"jsonrpc": "2.0", "result": _} | {"jsonrpc": "2.0", "error": _} if not modern:
            return McpMessage("", {}, modern, is_request=False)
        case {"jsonrpc": "2.0", "method": str(method)} if "id" not in given or _is_id(given["id"]):
            params, is_request = given.get("params", {}), "id" in given
        case _:
            raise McpError(INVALID_REQUEST, "The body must be one message of JSON-RPC 2.0")
    if not isinstance(params, dict):
        raise McpError(INVALID_PARAMS, "params must be an object")
    meta = _meta_of(given)
    if modern and is_request:
        _check(method, params, meta, headers)
    return McpMessage(method, params, modern, id_of(given), is_request, meta)


def _check(method: str, params: Members, meta: Mapping[str, Any], headers: Headers) -> None:
    """Raises `McpError` unless a modern request says what it must, in the body and again in its headers."""
    version = meta.get(f"{META}protocolVersion")
    if not isinstance(version, str) or not isinstance(meta.get(f"{META}clientCapabilities"), dict):
        required = f"params._meta must have {META}protocolVersion and {META}clientCapabilities"
        raise McpError(INVALID_PARAMS, required)
    expected = {VERSION_HEADER: [version], "Mcp-Method": [method]}
    if method == "tools/call":
        name = str(params.get("name"))
        expected["Mcp-Name"] = [name, f"=?base64?{base64.b64encode(name.encode()).decode()}?="]
    for name, forms in expected.items():
        sent = [each.strip(" \t") for each in headers.getlist(name)]
        if len(sent) != 1 or sent[0] not in forms:
            raise McpError(_HEADER_MISMATCH, f"The header {name} must be sent once, with the body's value")
    if version != MODERN:
        supported = {"supported": [MODERN, *LEGACY], "requested": version}
        raise McpError(_VERSION_UNSUPPORTED, "The agent does not speak this version", supported)


def _meta_of(given: Any) -> Mapping[str, Any]:  # noqa: ANN401 - any JSON value
    match given:
        case {"params": {"_meta": dict(meta)}}:
            return meta
    return {}


def _is_id(value: object) -> bool:
    """It is repeated in responses, a `progressToken` in each report."""
    return type(value) is int or (isinstance(value, str) and len(value) <= _MAX_ID)
