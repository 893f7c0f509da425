"""The official client session of MCP, whose requests are sent one by one."""

import logging
from collections.abc import Mapping
from datetime import timedelta
from itertools import count
from typing import Any, Final, TypeVar

import anyio
from mcp import ClientSession, McpError
from mcp.shared.message import MessageMetadata, SessionMessage
from mcp.shared.session import ProgressFnT
from mcp.types import (
    CallToolRequest,
    CallToolRequestParams,
    CallToolResult,
    ClientNotification,
    ClientRequest,
    Implementation,
    JSONRPCError,
    JSONRPCNotification,
    JSONRPCRequest,
    ListToolsResult,
    RequestId,
)
from pydantic import BaseModel

from identity.observation.span import CURRENT_SPAN
from identity.observation.traceparent import HEADER, Receiver
from tools import VERSION
from tools.mcp_service.transport import MCPTransport

_LOG: Final = logging.getLogger(__name__)
_CLIENT: Final = Implementation(name="idaas-agent", version=VERSION)
_MAX_TOOLS: Final = 256
"""Tools that are read. `tool` offers fewer."""
_MAX_PAGES: Final = 16
_USED: Final = ("name", "description", "inputSchema")
_MAX_CONTENT: Final = 1_000
"""Content blocks of one result."""
_Result = TypeVar("_Result", bound=BaseModel)


class RequestSession(ClientSession):
    """A `ClientSession` for initialization, protocol versions and the types of messages. Each request is one
    POST of the transport. Public methods of the SDK are overridden for this, and no private member is used:

    - `send_request` and `send_notification`: the SDK's own use one task that reads the responses for all
      callers. If a caller disconnects while its response arrives, that task stops without an error, and all
      later requests of the session fail (`docs/decisions/0007-independent-mcp-requests.md`).
    - `call_tool`: the SDK's own validates the result against the tool's output schema. The model reads the
      result as text, and a regular expression of the server's schema may take years to match.
    - `list_tools`: the SDK's callers follow `nextCursor` for as long as the server sends one.

    The streams that the constructor requires are closed and unused.
    """

    def __init__(self, transport: MCPTransport) -> None:
        super().__init__(*_closed_streams(), client_info=_CLIENT)
        self._transport = transport
        self._numbers = count()
        self._pages = self._listed = 0

    async def send_request(
        self,
        request: ClientRequest,
        result_type: type[_Result],
        request_read_timeout_seconds: timedelta | None = None,  # noqa: ARG002 - the transport bounds a request
        metadata: MessageMetadata = None,  # noqa: ARG002 - for other transports
        progress_callback: ProgressFnT | None = None,  # noqa: ARG002 - progress is not reported
    ) -> _Result:
        """`_meta` has the context of the trace. Raises `McpError` for an error of the server,
        `MCPRequestError` if there is no response.
        """
        members = request.model_dump(by_alias=True, mode="json", exclude_none=True)
        if (context := CURRENT_SPAN.get().traceparent(Receiver.MCP)) is not None:
            members.setdefault("params", {}).setdefault("_meta", {})[HEADER] = context
        message = JSONRPCRequest(jsonrpc="2.0", id=next(self._numbers), **members)
        response = await self._transport.send(message)
        if isinstance(response, JSONRPCError):
            raise McpError(response.error)
        return result_type.model_validate(_used_members(result_type, response.result))

    async def send_notification(
        self,
        notification: ClientNotification,
        related_request_id: RequestId | None = None,  # noqa: ARG002 - for servers
    ) -> None:
        """Has no response, and does not fail."""
        members = notification.model_dump(by_alias=True, mode="json", exclude_none=True)
        await self._transport.notify(JSONRPCNotification(jsonrpc="2.0", **members))

    async def call_tool(
        self,
        name: str,
        arguments: dict[str, Any] | None = None,
        *_: object,
        **__: object,
    ) -> CallToolResult:
        """One request. Not checked: the tool's output schema."""
        params = CallToolRequestParams(name=name, arguments=arguments)
        return await self.send_request(ClientRequest(CallToolRequest(params=params)), CallToolResult)

    async def list_tools(self, *arguments: Any, **options: Any) -> ListToolsResult:  # noqa: ANN401 - as the base class
        """One page, without a cursor if it is the last that is read."""
        if not options.get("cursor"):
            self._pages = self._listed = 0
        page = await super().list_tools(*arguments, **options)
        self._pages += 1
        self._listed += len(page.tools)
        if self._pages >= _MAX_PAGES or self._listed >= _MAX_TOOLS:
            page.nextCursor = None
        return page


def _is_tool(tool: object) -> bool:
    return (
        isinstance(tool, dict)
        and isinstance(tool.get("name"), str)
        and isinstance(tool.get("description"), str | None)
        and isinstance(tool.get("inputSchema"), dict)
    )


def _closed_streams() -> tuple[Any, Any]:
    write_in, read = anyio.create_memory_object_stream[SessionMessage | Exception]()
    write, read_out = anyio.create_memory_object_stream[SessionMessage]()
    for stream in (write_in, read, write, read_out):
        stream.close()
    return read, write


def _used_members(kind: type[BaseModel], result: Mapping[str, Any]) -> Mapping[str, Any]:
    """What of `result` is used: validating the rest takes up to a second for each megabyte.

    A tool that the SDK would refuse is left out: it would refuse the whole list.
    """
    if kind is ListToolsResult and isinstance(tools := result.get("tools"), list):
        listed = [tool for tool in tools[:_MAX_TOOLS] if _is_tool(tool)]
        if left_out := min(len(tools), _MAX_TOOLS) - len(listed):
            _LOG.warning("%d malformed tools of an MCP server are not offered", left_out)
        return {**result, "tools": [{name: tool.get(name) for name in _USED} for tool in listed]}
    if kind is CallToolResult and isinstance(content := result.get("content"), list):
        return {**result, "content": content[:_MAX_CONTENT]}
    return result
