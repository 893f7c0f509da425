"""Tests of your own tools, without a socket, a credential or a model.

    tools = ToolsUnderTest(payroll.service, {"currency": "CNY"})
    tools.responds(json={"net": 8000})
    result = await tools.call("payslip", month="2026-10")
    assert result.text == '{"net":8000}'
    assert tools.requests[0].path == "/payslips/2026-10"

For a test of the whole agent, with its policies and approvals, run the sandbox (`idaas-agent sandbox`).
"""

import json as json_format
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

import httpx

from identity.credentials.credential import Credential
from identity.credentials.requirement import AccessTokenRequirement
from identity.principal import AccessIdentity, Caller, Principal
from identity.secrets.secret import Secret
from tools.approval_policy import ApprovalMode
from tools.http_service.service import HTTPService
from tools.service import ToolResult

_URL: Final = "https://service.example.com"
_FAR: Final = 2.0**62
"""When the credential ends, in unix seconds."""


@dataclass(frozen=True, slots=True)
class ServiceRequest:
    """A request that a tool sent. `path` is below the service's URL, and decoded; `body` is its JSON.

    `credential` is the secret that it carried: `token-1`, and `token-2` after the service refused that.
    """

    method: str
    path: str
    query: Mapping[str, str]
    body: Any
    headers: Mapping[str, str] = field(repr=False)
    credential: str = field(repr=False)


class ToolsUnderTest:
    """The tools that `add` adds to a service, called as the agent calls them.

    `add` is the function that SERVICES_FILE names as `python`, and `settings` are those of its entry. The
    arguments of a call are validated as the agent validates them. What is not checked: whether IDaaS would
    issue the credential, and whether the call would be approved; `policy` says what the agent would do.
    """

    def __init__(
        self,
        add: Callable[[HTTPService, Mapping[str, Any]], None],
        settings: Mapping[str, Any] | None = None,
        *,
        access_identity: AccessIdentity = AccessIdentity.HUMAN,
        caller: Caller | None = None,
    ) -> None:
        """`caller` is for whom the calls are made; default: the user `user` of `https://idaas.example.com`."""
        self.requests: Final[list[ServiceRequest]] = []
        """What the tools have sent, in order."""
        self.caller: Final = caller or Caller(Principal("https://idaas.example.com", "user"))
        """See `Access`."""
        self._access_identity = access_identity
        self._responses: list[httpx.Response | Exception] = []
        self._tokens = 1
        http = httpx.AsyncClient(transport=httpx.MockTransport(self._received))
        required = AccessTokenRequirement("https://service.example.com|service.use")
        self._added = HTTPService("service", _URL, required, http=http)
        add(self._added, settings or {})

    def responds(
        self,
        status: int = 200,
        *,
        json: object = None,
        text: str | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> None:
        """What the service responds to the next request; the last one is repeated. `text` replaces `json`."""
        given = {"text": text} if text is not None else {"json": json}
        self._responses.append(httpx.Response(status, headers=headers, **given))

    def cannot_be_reached(self) -> None:
        """The connection of the next request fails."""
        self._responses.append(httpx.ConnectError("no connection"))

    async def call(self, tool: str, **arguments: Any) -> ToolResult:  # noqa: ANN401 - any JSON
        """The result, as the model reads it. Raises `ServiceError` as the tool does.

        Arguments that do not fit the tool's parameters are a result with `ok` and `called` false.
        """
        return await self._service(tool).call(tool, arguments, self)

    def policy(self, tool: str, **arguments: Any) -> ApprovalMode:  # noqa: ANN401 - any JSON
        """Whether the agent would make, ask about or deny this call, by what the code declares."""
        return self._service(tool).policy(tool).mode_for(arguments, self._access_identity)

    def parameters(self, tool: str) -> Mapping[str, Any]:
        """The JSON Schema of the tool's arguments, as the model sees it."""
        schemas = self._service(tool).cached_tools(self)
        return next(each.parameters for each in schemas if each.name == tool)

    def permission(self, tool: str) -> str:
        """The permission of the token that calls of the tool carry; `service.use` is the service's own."""
        required = self._service(tool).credential
        return required.permission if isinstance(required, AccessTokenRequirement) else ""

    def _service(self, tool: str) -> HTTPService:
        return next((each for each in self._added.services if tool in each.tool_names), self._added)

    async def credential(self) -> Credential:
        """See `Access`."""
        return self.cached()

    def cached(self) -> Credential:
        """See `Access`."""
        secret = Secret(f"token-{self._tokens}")
        required = AccessTokenRequirement("https://service.example.com|service.use")
        return Credential(required, self._access_identity, secret, _FAR)

    async def renew(self, refused: Credential) -> Credential:  # noqa: ARG002 - there is one
        """See `Access`."""
        self._tokens += 1
        return self.cached()

    def _received(self, request: httpx.Request) -> httpx.Response:
        body = json_format.loads(request.content) if request.content else None
        self.requests.append(
            ServiceRequest(
                request.method,
                request.url.path,
                dict(request.url.params),
                body,
                dict(request.headers),
                request.headers.get("authorization", "").removeprefix("Bearer "),
            )
        )
        if not self._responses:
            raise AssertionError(f"{request.method} {request.url.path}: the test says no response to it")
        response = self._responses.pop(0) if len(self._responses) > 1 else self._responses[0]
        if isinstance(response, Exception):
            raise response
        return response
