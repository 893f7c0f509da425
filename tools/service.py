"""The seam between the graph and a service, and how a service declares the credential that it needs."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from identity.access_identity import AccessIdentity
from identity.credentials.credential import Credential
from identity.credentials.requirement import CredentialRequirement
from identity.error_code import ErrorCode


class Access(Protocol):
    """One caller's access to one service, for the time of one run. Made by the graph."""

    async def credential(self) -> Credential:
        """The credential that the service declared. Raises the identity layer's errors."""
        ...

    def cached(self) -> Credential | None:
        """The credential, if nobody has to be asked for it."""
        ...

    async def renew(self, refused: Credential) -> Credential:
        """The service answered 401 or 403 to `refused`: forget it, and get a fresh one. Call it once.

        If `refused` itself comes back, it was obtained a moment ago and nothing was renewed: the refusal
        stands, and the request need not be sent again.
        """
        ...


@dataclass(frozen=True, slots=True)
class ToolSchema:
    """A tool as the model sees it. `parameters` is a JSON Schema object: no credential, URL or identity.

    `listed` is true if it was the service that named it: such a tool never takes the place of one of ours.
    """

    name: str
    description: str
    parameters: Mapping[str, Any]
    listed: bool = False


@dataclass(frozen=True, slots=True)
class ToolResult:
    """What a tool answered, for the model. `ok` is false if the tool itself reported an error.

    `called` is false if the call was refused before a request was made of the service.
    """

    text: str
    ok: bool = True
    called: bool = True


class Service(Protocol):
    """An outside service: one node of the graph, one credential, one or more tools."""

    @property
    def name(self) -> str:
        """The node's name, such as `amap`."""
        ...

    @property
    def credential(self) -> CredentialRequirement | None:
        """The credential that every call carries; `None` for a service without one."""
        ...

    @property
    def access_identity(self) -> AccessIdentity | None:
        """Overrides the agent's default (`ACCESS_IDENTITY`); `None` keeps the default."""
        ...

    @property
    def error_code(self) -> ErrorCode:
        """The code of the service's failures: `service_failed`, or its own."""
        ...

    @property
    def settings(self) -> tuple[str, ...]:
        """Names of the settings that its address and credential come from, for the operator's remedy."""
        ...

    async def tools(self, access: Access) -> Sequence[ToolSchema]:
        """The tools that the service offers now."""
        ...

    def cached_tools(self, access: Access) -> Sequence[ToolSchema] | None:
        """The same, if nobody has to be asked: one object as long as nothing changes. Else ask `tools`."""
        ...

    async def call(self, tool: str, arguments: Mapping[str, Any], access: Access) -> ToolResult:
        """Runs one tool. Raises `AgentError`; the graph turns it into a result for the model."""
        ...

    async def aclose(self) -> None:
        """Releases connections."""
        ...
