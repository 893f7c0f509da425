"""`ServerUnderTest`: a stand-in of an MCP server, with the tools that it lists and its results."""

import json
import ssl
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final, Self

import httpx

from idaas_agent.declared_under_test import declared_under_test
from idaas_agent.script import Script
from identity.credentials.requirement import AccessTokenRequirement
from identity.principal import AccessIdentity
from tools.approval_policy import Data, ToolPolicy
from tools.service import Service
from tools.service_declarations import MCPDeclaration

_URL: Final = "https://mcp.example.com/mcp"


class ServerUnderTest:
    """The tools of an MCP server, which a test says, in `AgentUnderTest`.

        maps = ServerUnderTest([{"name": "weather", "inputSchema": {"type": "object"}}])
        maps.responds(text="sunny")

    `listed` are tools as the server lists them: `name`, `description`, `inputSchema`. The
    arguments of a call are validated by them. What is not checked: the server, its older protocols, and
    whether IDaaS would issue the credential. Raises `ValueError` for a tool without a name or a schema.
    """

    def __init__(
        self,
        listed: Sequence[Mapping[str, Any]],
        *,
        access_identity: AccessIdentity = AccessIdentity.HUMAN,
        name: str = "server",
        prefix: str = "",
        tools: Sequence[str] | None = None,
        policies: Mapping[str, ToolPolicy] | None = None,
        data: Data = Data.UNLABELLED,
    ) -> None:
        """`name`, `prefix`, `tools`, `policies` and `data` are those of the entry of the services file."""
        for tool in listed:
            if not isinstance(tool.get("name"), str) or not isinstance(tool.get("inputSchema"), Mapping):
                raise ValueError("each tool of a server must have a name and an inputSchema")  # noqa: TRY004 - of JSON
        from tools.mcp_service.service import MCPService  # its parts take long to load

        self.name: Final = name
        self.calls: Final[list[tuple[str, dict[str, Any]]]] = []
        """The calls that the server has received: each a name and the arguments."""
        self._listed: Final = [dict(tool) for tool in listed]
        chosen = [tool["name"] for tool in listed if tools is None or tool["name"] in tools]
        self.tool_names: Final = frozenset(f"{prefix}{tool}" for tool in chosen)
        """The names of the tools, as the model sees them."""
        self._results: Final[Script[dict[str, Any] | int]] = Script()
        self._service: Final[MCPService] = MCPService(
            name,
            _URL,
            AccessTokenRequirement(f"{_URL}|tools.use"),
            access_identity=access_identity,
            prefix=prefix,
            allowed_tools=tools,
            policies=policies,
            data=data,
            trusted=True,
            ssl_context=ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT),  # no request is sent
            http=httpx.AsyncClient(transport=httpx.MockTransport(self._received)),
        )

    @classmethod
    def of_file(cls, path: Path | str, name: str, listed: Sequence[Mapping[str, Any]]) -> Self:
        """The server `name` of a services file, with its policies. Raises `ValueError` with all faults."""
        path = Path(path)
        declaration = declared_under_test(path, name, MCPDeclaration)
        return cls(
            listed,
            access_identity=declaration.access_identity or AccessIdentity.HUMAN,
            name=name,
            prefix=declaration.prefix,
            tools=declaration.tools,
            policies={tool: policy.made() for tool, policy in declaration.policies.items()},
            data=declaration.data,
        )

    @property
    def services(self) -> Sequence[Service]:
        """The service."""
        return [self._service]

    def responds(
        self,
        status: int = 200,
        *,
        text: str | None = None,
        json: Any = None,  # noqa: ANN401 - as of a service over HTTP
        is_error: bool = False,
    ) -> None:
        """The result of the next call that has none yet; the last one is repeated until there is another.
        With `json` the result is structured, and its text is that JSON. Another `status` than 200 is the
        server's response in place of a result.
        """
        if status != 200:
            self._results.add(status)
            return
        shown = text if text is not None else _text(json)
        result: dict[str, Any] = {"content": [{"type": "text", "text": shown}], "isError": is_error}
        if isinstance(json, Mapping):
            result["structuredContent"] = dict(json)
        self._results.add(result)

    def _received(self, request: httpx.Request) -> httpx.Response:
        message = json.loads(request.content)
        method = message["method"]
        if method == "tools/list":
            return _answer(message, {"tools": self._listed})
        if method == "server/discover":
            return _answer(message, {"supportedVersions": ["2026-07-28"], "capabilities": {"tools": {}}})
        if method != "tools/call":
            return httpx.Response(404)
        called = message["params"]
        self.calls.append((called["name"], called["arguments"]))
        result = self._results.next(f"{self.name}.{called['name']}")
        if isinstance(result, int):
            return httpx.Response(result)
        return _answer(message, result)


def _text(value: Any) -> str:  # noqa: ANN401 - any JSON
    return json.dumps(value, ensure_ascii=False)


def _answer(message: Mapping[str, Any], result: Mapping[str, Any]) -> httpx.Response:
    body = {"jsonrpc": "2.0", "id": message["id"], "result": {"resultType": "complete", **result}}
    return httpx.Response(200, json=body)
