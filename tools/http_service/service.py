"""A service spoken to over HTTP, whose tools are functions."""

import asyncio
import ssl
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any, TypeVar

from langchain_core.tools import BaseTool

from identity.access_identity import AccessIdentity
from identity.credentials.placement import BEARER
from identity.credentials.requirement import CredentialRequirement
from identity.error_code import ErrorCode
from identity.transport.client import checked_url, http_client
from tools.error_codes import ToolCode
from tools.http_service.client import Address, ServiceClient
from tools.http_service.langchain_tool import LangChainTool
from tools.http_service.tool_function import ToolFunction
from tools.result import presentable
from tools.service import Access, ToolResult, ToolSchema

_Function = TypeVar("_Function", bound=Callable[..., Awaitable[Any]])


class HTTPService:
    """The shortest way to a tool of one's own: `tools/leave.py` is an example, whole.

    `credential` is what every call carries, to `url` and nowhere else; `access_identity` overrides the
    agent's default. `seconds` bounds a whole call, a slow body and the renewal of the credential included;
    `max_bytes` bounds a response. `failure` is the error code of the service's failures, and `settings` names
    the settings that its declaration comes from: the operator's remedy names them.
    """

    def __init__(
        self,
        name: str,
        url: str,
        credential: CredentialRequirement | None = None,
        *,
        access_identity: AccessIdentity | None = None,
        error_code: ErrorCode = ToolCode.SERVICE_FAILED,
        settings: Sequence[str] = (),
        tools: Sequence[BaseTool] = (),
        ssl_context: ssl.SSLContext | None = None,
        seconds: float = 20.0,
        max_bytes: int = 256 * 1024,
    ) -> None:
        self.name = name
        self.credential = credential
        self.access_identity = access_identity
        self.error_code = error_code
        self.settings = tuple(settings)
        placement = BEARER if credential is None else credential.placement
        self._address = Address(name, checked_url(url), error_code, max_bytes, self.settings, placement)
        self._seconds = seconds
        self._http = http_client(ssl_context, seconds)
        self._tools: dict[str, ToolFunction | LangChainTool] = {}
        self._schemas: list[ToolSchema] = []
        for tool in tools:
            self.add(tool)

    def tool(self, function: _Function) -> _Function:
        """Decorator: makes an `async def` function, whose first parameter is the client, a tool."""
        self._add(ToolFunction(function))
        return function

    def add(self, tool: BaseTool) -> None:
        """Adds a LangChain tool. Its parameter `Annotated[ServiceClient, InjectedToolArg]` gets the client.

        Raises what `LangChainTool` does, and `ValueError` for a second tool of one name.
        """
        self._add(LangChainTool(tool))

    def _add(self, tool: ToolFunction | LangChainTool) -> None:
        if tool.schema.name in self._tools:
            raise ValueError(f'"{self.name}" has a tool "{tool.schema.name}" already')  # noqa: EM102
        self._tools[tool.schema.name] = tool
        self._schemas = [*self._schemas, tool.schema]

    async def tools(self, access: Access) -> Sequence[ToolSchema]:  # noqa: ARG002 - the same for every caller
        """The functions, in the order of their definition."""
        return self._schemas

    def cached_tools(self, access: Access) -> Sequence[ToolSchema]:  # noqa: ARG002 - the same for every caller
        """The same."""
        return self._schemas

    async def call(self, tool: str, arguments: Mapping[str, Any], access: Access) -> ToolResult:
        """Runs a tool. Raises `ServiceError`, and the identity layer's errors."""
        if (function := self._tools.get(tool)) is None:
            return ToolResult(f'there is no tool "{tool}"', ok=False, called=False)
        client = ServiceClient(self._http, self._address, None if self.credential is None else access)
        try:
            async with asyncio.timeout(self._seconds):
                result = await function.run(client, arguments)
        except TimeoutError:
            pass
        else:
            return replace(result, text=presentable(result.text, ()))
        detail = f"no response within {self._seconds:g} s"
        raise self._address.unusable(detail)

    async def aclose(self) -> None:
        """Closes the connections."""
        await self._http.aclose()
