"""The seam between the graph and a service, and how a service declares the credential that it needs."""

import re
from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, Protocol, TypeVar

from langchain_core.messages.tool import ToolOutputMixin

from identity.credentials.requirement import Credential, CredentialRequirement, DeclaredCredential
from identity.errors import ErrorCode
from identity.principal import AccessIdentity, Caller
from tools.approval_policy import Data, ToolPolicy
from tools.arguments.fault import ArgumentFault
from tools.elicitation import InputRequired
from tools.service_name import service_of

FUNCTION_NAME: Final = re.compile(r"[A-Za-z0-9_-]{1,64}")
"""The name of a function, as OpenAI and Model Studio define it."""


class Access(Protocol):
    """One caller's access to one service, during one run. Made by the graph."""

    @property
    def caller(self) -> Caller | None:
        """For whom the call is made; `None` outside of a run."""

    async def credential(self) -> Credential:
        """The credential that the service declares. Raises the identity layer's errors."""

    def cached(self) -> Credential | None:
        """The credential, if no request is needed for it."""

    async def renew(self, refused: Credential, *, forbidden: bool = False) -> Credential:
        """A fresh credential in place of `refused`, to which the service responded 401 or 403. Call once.
        `forbidden` is a 403: the service knows the credential, and another one need not help. After a 401 the
        user may have to consent again, for a token that was withdrawn where it is from.

        If `refused` itself is returned, there is no other one, or it is too new to be renewed: the refusal is
        final, and the request must not be sent again.
        """

    async def lent(self) -> Credential:
        """The credential as a value for the tool's own code, once this is on record. Raises `AuditError`."""

    def stepped_up(self, requirement: CredentialRequirement) -> "Access":
        """An access with more permissions than the service's, for one request that needs them."""


@dataclass(frozen=True, slots=True)
class ToolSchema:
    """A tool as the model sees it. `parameters` is a JSON Schema object: no credential, URL or identity.

    It is not a LangChain tool, because that can be run: a tool that the graph offers to the model runs only
    through `Service.call`, after its credential is resolved and the call is recorded. `listed` is true if a
    server listed it; such a tool never replaces a tool of the agent's code that has the same name.
    """

    name: str
    description: str
    parameters: Mapping[str, Any]
    listed: bool = False


@dataclass(frozen=True, slots=True)
class ToolResult(ToolOutputMixin):
    """The result of a tool, for the model. `ok` is false if the tool itself reported an error.

    `called` is false if the call was refused before a request to the service. `files`, each a name and bytes,
    are for the user: they are kept with the conversation, and the model reads that they are there. A function
    under LangChain may return a result: LangChain passes a `ToolOutputMixin` through as it is. With `asks`,
    it is no result yet.
    """

    text: str
    ok: bool = True
    called: bool = True
    files: Sequence[tuple[str, bytes]] = field(default=(), repr=False)
    asks: InputRequired | None = None

    def __post_init__(self) -> None:
        if not all(isinstance(name, str) and isinstance(data, bytes) for name, data in self.files):
            raise TypeError("each file of a result must be a name and bytes")


class Service(Protocol):
    """An outside service: one node of the graph, one credential, one or more tools."""

    @property
    def name(self) -> str:
        """The node's name: that of the service, such as `amap`, or one of several (`service_of`)."""

    @property
    def credential(self) -> CredentialRequirement | None:
        """The credential that every call carries; `None` for a service without one."""

    @property
    def access_identity(self) -> AccessIdentity | None:
        """Overrides the agent's default (`ACCESS_IDENTITY`); `None` keeps the default."""

    @property
    def error_code(self) -> ErrorCode:
        """The code of the service's failures: `service_failed`, or its own."""

    @property
    def settings(self) -> tuple[str, ...]:
        """Names of the settings that its address and credential come from, for the operator's remedy."""

    @property
    def tool_names(self) -> Collection[str]:
        """The names of its tools that are known without a request: also those that it does not offer now.

        While a service has a name, no other service takes it. The same object until the names change.
        """

    async def tools(self, access: Access) -> Sequence[ToolSchema]:
        """The tools that the service offers now."""

    def cached_tools(self, access: Access) -> Sequence[ToolSchema] | None:
        """The same, if no request is needed: the same object until the tools change. `None`: call `tools`."""

    def policy(self, tool: str) -> ToolPolicy:
        """The effect of `tool`, and the calls that need an approval. The graph keeps to it, `call` does not.

        It is what the code or the operator declares, never what an outside server says of its own tool.
        """

    async def argument_faults(
        self, tool: str, arguments: Mapping[str, Any], access: Access
    ) -> Sequence[ArgumentFault]:
        """Why `call` would refuse `arguments` before a request to the service; none if it would not.

        Raises `AgentError` if the schema of the tool has to be requested, and cannot be.
        """

    async def call(self, tool: str, arguments: Mapping[str, Any], access: Access) -> ToolResult:
        """Runs one tool. Raises `AgentError`, which the graph makes a failed result for the model."""

    async def aclose(self) -> None:
        """Releases connections."""


def node_of(nodes: Mapping[str, Service], service: str, tool: str) -> str:
    """The node that calls `tool` of `service`; that of the service's own permission if none has the tool."""
    of_service = (name for name in nodes if service_of(name) == service)
    return next((name for name in of_service if tool in nodes[name].tool_names), service)


def declared_credential_of(service: Service) -> DeclaredCredential:
    """The most that calls of `service` may use, as it declares it; empty for one without a credential."""
    if service.credential is None:
        return DeclaredCredential()
    return service.credential.at_most


def data_of(service: Service, tool: str) -> Data:
    """How far what `tool` returns may go: as its policy says, else as its service does (`data`)."""
    declared = service.policy(tool).data
    if declared is not Data.UNLABELLED:
        return declared
    of_service: Data = getattr(service, "data", Data.UNLABELLED)  # a service of an operator may have none
    return of_service


def known_tools(service: Service) -> set[str]:
    """The names of its tools that are known now, also of declared ones that its server has not listed yet."""
    return {*service.tool_names, *getattr(service, "declared_tools", ())}


def data_in(service: Service) -> set[Data]:
    """All that `data_of` may be for its tools, also for those that its server has not listed yet."""
    of_tools = {data_of(service, name) for name in known_tools(service)}
    return of_tools | {getattr(service, "data", Data.UNLABELLED)}


async def offered_tool(service: Service, name: str, access: Access) -> ToolSchema | None:
    """The tool of a name as its service offers it to the caller of `access` now; `None` if it does not.

    Raises `AgentError` if the tools have to be listed, and cannot be.
    """
    tools = service.cached_tools(access)
    if tools is None:
        tools = await service.tools(access)
    return next((tool for tool in tools if tool.name == name), None)


T = TypeVar("T")


async def send_with_credential(
    access: Access,
    send: Callable[[Credential], Awaitable[T]],
    is_refused: Callable[[T], bool],
    is_forbidden: Callable[[T], bool] = lambda _: False,
) -> T:
    """The result of `send` with the credential of `access`.

    If `is_refused` is true of the result, the credential is renewed and `send` is called once more; the
    second result is final. `is_forbidden` tells a 403 from a 401. If renewal returns the same object, nothing
    was renewed, and the first result is final. Exceptions of `send` and `access` are raised, and are not
    refusals.

    Like `httpx.Auth`, it separates authentication from sending. It is not an `httpx.Auth`, because `httpx`
    reads the whole body of a refusal, and MCP sessions and model clients are not single `httpx` requests.
    """
    credential = await access.credential()
    result = await send(credential)
    if not is_refused(result):
        return result
    fresh = await access.renew(credential, forbidden=is_forbidden(result))
    return result if fresh is credential else await send(fresh)
