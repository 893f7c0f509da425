"""A service over HTTP, whose tools are functions and LangChain tools."""

import ssl
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from copy import copy
from dataclasses import replace
from typing import Any, TypeVar, overload

import httpx
from langchain_core.tools import BaseTool

from http1.transport import PoolUse
from identity.credentials.requirement import AccessTokenRequirement, CredentialRequirement
from identity.errors import ErrorCode
from identity.principal import AccessIdentity
from identity.secrets.redaction import contains
from identity.transport.client import checked_url, http_client
from tools.approval_policy import DEFAULT_POLICY, Data, ToolPolicy
from tools.arguments.fault import ArgumentFault
from tools.error_codes import ToolCode
from tools.http_service.client import ServiceClient
from tools.http_service.endpoint import Endpoint
from tools.http_service.service_tool import ServiceTool, function_tool
from tools.http_service.toolkit import Toolkit, tools_of_toolkit
from tools.progress import TimeLimit, reported_to
from tools.result import MAX_CHARACTERS, model_text
from tools.result_schema import ResultSchema
from tools.service import FUNCTION_NAME, Access, Service, ToolResult, ToolSchema

_Function = TypeVar("_Function", bound=Callable[..., Awaitable[Any]])


class HTTPService:
    """A `Service`. `tools/leave.py` adds a tool to one.

    Every call carries `credential`, to `url` and to no other URL; `access_identity` overrides the agent's
    default. `seconds` bounds a whole call, including a slow body and the renewal of the credential;
    `max_bytes` bounds a response, `max_request_bytes` a streamed body, and `max_characters` a result as the
    model reads it. `error_code` is the code of the service's failures, and `settings` are the names of the
    settings that declare it, for the operator's remedy. `prefix` begins the names of its tools, as the model
    and `call` know them. `policies` replace, by the names without it, the policies with which tools are
    added. If it `lends`, tools may take the credential as a value (`ServiceClient.credential`). `http` sends
    the requests of a test in place of a client of its own.
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
        tools: Sequence[BaseTool | Callable[..., Awaitable[Any]]] = (),
        prefix: str = "",
        policies: Mapping[str, ToolPolicy] | None = None,
        data: Data = Data.UNLABELLED,
        ssl_context: ssl.SSLContext | None = None,
        seconds: float = 20.0,
        max_bytes: int = 256 * 1024,
        max_request_bytes: int = 64 * 1024 * 1024,
        max_characters: int = MAX_CHARACTERS,
        lends: bool = False,
        http: httpx.AsyncClient | None = None,
    ) -> None:
        self.name = name
        self.credential = credential
        self.access_identity = access_identity
        self.error_code = error_code
        self.settings = tuple(settings)
        self.data = data
        carried = credential.parts if credential else ()
        limits = max_bytes, max_request_bytes
        self._endpoint = Endpoint(name, checked_url(url), error_code, *limits, carried, lends)
        self._seconds = seconds
        self._max_characters = max_characters
        self.pool_use = PoolUse()
        self._http = http or http_client(ssl_context, seconds, self.pool_use)
        self._tools: dict[str, ServiceTool] = {}
        self._schemas: list[ToolSchema] = []
        self.tool_names: frozenset[str] = frozenset()
        self._prefix = prefix
        self._declared_policies: dict[str, ToolPolicy] = {}
        self._policies = {prefix + name: policy for name, policy in (policies or {}).items()}
        self.services: list[HTTPService] = [self]
        """This one, and one for each further permission of its tools: each has a credential of its own, and
        is a node of its own (`tools.service.service_of`).
        """
        for tool in tools:
            self.add(tool)

    @overload
    def tool(self, function: _Function) -> _Function: ...

    @overload
    def tool(
        self, *, policy: ToolPolicy = ..., permission: str | None = None
    ) -> Callable[[_Function], _Function]: ...

    def tool(self, function: Any = None, **options: Any) -> Any:
        """Decorator: adds an async function, whose first parameter is the client.

        `@service.tool`, or with a policy `@service.tool(policy=ToolPolicy(effect=Effect.WRITE))`. See `add`.
        """

        def added(function: _Function) -> _Function:
            self.add(function, **options)
            return function

        return added if function is None else added(function)

    def add(
        self,
        tool: BaseTool | Callable[..., Awaitable[Any]],
        *,
        policy: ToolPolicy = DEFAULT_POLICY,
        permission: str | None = None,
    ) -> None:
        """Adds a LangChain tool, whose parameter `Annotated[ServiceClient, InjectedToolArg]` gets the client,
        or an async function.

        With `permission`, or several with a space between them, the calls of this tool carry an access token
        with it, not with the service's.

        Raises what `ServiceTool` and `function_tool` do, and `ValueError` for a second tool of one name, one
        whose name is too long with the prefix, and a permission if the credential is no access token.
        """
        if permission is not None:
            self._with(permission).add(tool, policy=policy)
            return
        if not isinstance(tool, BaseTool):
            tool = function_tool(tool)
        added = ServiceTool(tool)
        name = self._prefix + added.schema.name
        if any(name in service._tools for service in self.services):  # noqa: SLF001 - its own class
            raise ValueError(f'"{self.name}" has a tool "{name}" already')
        if not FUNCTION_NAME.fullmatch(name):
            raise ValueError(f'"{name}" is not the name of a function')
        self._tools[name] = added
        self._schemas = [*self._schemas, replace(added.schema, name=name)]
        self.tool_names |= {name}
        self._declared_policies[name] = policy

    def add_all(
        self,
        toolkit: Iterable[BaseTool] | Toolkit,
        *,
        policy: ToolPolicy = DEFAULT_POLICY,
        permission: str | None = None,
    ) -> None:
        """Adds each tool of a toolkit, as `add` does.

            service.add_all(lambda key: SearchToolkit(api_key=key.reveal()).get_tools())

        A function makes the toolkit of each call with the credential of its caller, a `Secret`: the entry of
        the service must say `lends_credential`, and each taking is on record. At the start it is called once,
        with a text that is no credential, to list the tools. Where the toolkit sends the credential is not
        checked. Raises also what the function raises.
        """
        tools = tools_of_toolkit(toolkit) if callable(toolkit) else toolkit
        for tool in tools:
            self.add(tool, policy=policy, permission=permission)

    def _with(self, permission: str) -> "HTTPService":
        """The same service, for tools with another permission."""
        required = self.credential
        if not isinstance(required, AccessTokenRequirement) or required.audience is None:
            raise ValueError(f'a tool of "{self.name}" has no permission: its credential is no access token')
        scope = " ".join(f"{required.audience}|{value}" for value in permission.split())
        credential = replace(required, scope=scope)
        for service in self.services:
            if service.credential == credential:
                return service
        another = copy(self)
        another._become(credential)  # noqa: SLF001 - its own class
        self.services.append(another)
        return another

    def _become(self, credential: AccessTokenRequirement) -> None:
        """Makes this copy of a service one with another credential, and without tools."""
        self.name = f"{self.name}/{credential.permission}"
        self.credential = credential
        self.pool_use = PoolUse()
        self._endpoint = replace(self._endpoint, carried=credential.parts)
        self._tools = {}
        self._schemas = []
        self.tool_names = frozenset()
        self._declared_policies = {}

    def result_schema(self, tool: str, access: Access) -> ResultSchema | None:  # noqa: ARG002 - the same for every caller
        """The schema of what `tool` returns, as its function declares it."""
        function = self._tools.get(tool)
        return None if function is None else function.returns

    def policy(self, tool: str) -> ToolPolicy:
        """The policy given for the service, else the one with which the tool was added."""
        return self._policies.get(tool) or self._declared_policies.get(tool, DEFAULT_POLICY)

    @property
    def unused_policies(self) -> list[str]:
        """Names in `policies` that no tool has: a misspelled name would leave its tool without a policy."""
        added = set[str]().union(*(service.tool_names for service in self.services))
        return [name.removeprefix(self._prefix) for name in self._policies if name not in added]

    async def tools(self, access: Access) -> Sequence[ToolSchema]:  # noqa: ARG002 - the same for every caller
        """The tools, in the order in which they were added."""
        return self._schemas

    def cached_tools(self, access: Access) -> Sequence[ToolSchema]:  # noqa: ARG002 - the same for every caller
        return self._schemas

    async def argument_faults(
        self, tool: str, arguments: Mapping[str, Any], access: Access
    ) -> Sequence[ArgumentFault]:
        function = self._tools.get(tool)
        return [] if function is None else function.faults(self._client(access), arguments)

    async def call(self, tool: str, arguments: Mapping[str, Any], access: Access) -> ToolResult:
        """Runs a tool. Raises `ServiceError`, and the identity layer's errors."""
        if (function := self._tools.get(tool)) is None:
            return ToolResult(f'there is no tool "{tool}"', ok=False, called=False)
        limit = TimeLimit(self._seconds)
        try:
            async with limit.timeout:
                with reported_to(limit.progressed):
                    result = await function.run(client := self._client(access), arguments)
        except TimeoutError:
            if not limit.timeout.expired():  # it is the tool's own
                raise
            raise self._endpoint.unusable(f"no response within {self._seconds:g} s") from None
        text = model_text(result.text, client.presented, self._max_characters)
        files = tuple(file for file in result.files if not contains(file[1], client.presented))
        is_same = text == result.text and len(files) == len(result.files)
        return result if is_same else replace(result, text=text, files=files)

    def _client(self, access: Access) -> ServiceClient:
        return ServiceClient(self._http, self._endpoint, access)

    async def aclose(self) -> None:
        await self._http.aclose()


def nodes_of(service: Service) -> Sequence[Service]:
    """The nodes of `service`: of an `HTTPService`, one for each permission of its tools; else itself."""
    return service.services if isinstance(service, HTTPService) else [service]
