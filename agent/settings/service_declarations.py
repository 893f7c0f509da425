"""The declaration of one service, over HTTP or MCP, and what is added to that of the built-in server."""

from typing import Annotated, Any, Literal, Self, TypeAlias

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, model_validator

from agent.settings.service_credentials import (
    CredentialDeclaration,
    HTTPCredentialDeclaration,
    one_of,
)
from agent.settings.tool_policies import PolicyDeclaration
from identity.principal import AccessIdentity
from identity.transport.client import checked_url

_Url = Annotated[str, AfterValidator(checked_url), Field(description="https, or http to a loopback address.")]
_Seconds = Annotated[float, Field(gt=0, le=3600, allow_inf_nan=False)]


class _Tools(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")

    prefix: Annotated[str, Field(pattern=r"^[A-Za-z0-9_-]{0,32}$")] = Field(
        "",
        description="Begins the names of its tools, as the model sees them. `policies` and `tools` have the"
        " names without it.",
    )
    policies: dict[str, PolicyDeclaration] = Field(
        default_factory=dict, description="By the names of tools; each replaces what the code declares."
    )


class _ListedTools(_Tools):
    """Tools that a server lists."""

    tools: tuple[Annotated[str, Field(min_length=1)], ...] | None = Field(
        None, description="The tools that the model may use. Default: all that the server lists."
    )
    trusted: bool = Field(
        False, description="Whether what the server changes in its tools is used without being accepted."
    )

    @model_validator(mode="after")
    def _policies_of_its_tools(self) -> Self:
        if self.tools is not None and (unknown := sorted(self.policies.keys() - set(self.tools))):
            raise ValueError(f'must list the tool "{unknown[0]}" in tools, because it has a policy')
        return self


class BuiltInDeclaration(_ListedTools):
    """`[services.amap]`: about the tools of the server that `EXTERNAL_SERVER_URL` names."""

    type: Literal["built-in"]


class _Declaration(_Tools, CredentialDeclaration):
    url: _Url
    access_identity: AccessIdentity | None = Field(None, description="Default: `ACCESS_IDENTITY`.")
    timeout_seconds: _Seconds = Field(20.0, description="For one call.")


class HTTPDeclaration(_Declaration, HTTPCredentialDeclaration):
    """A service over HTTP; `python` names the function that adds its tools."""

    type: Literal["http"]
    python: Annotated[str, Field(pattern=r"^[^:]+:[A-Za-z_]\w*$")] = Field(
        description="`my_tools.payroll:service`, or `payroll.py:service` for a file relative to this one."
    )
    settings: dict[str, Any] = Field(default_factory=dict, description="Passed to the function unchanged.")


class MCPDeclaration(_Declaration, _ListedTools):
    """An MCP server over streamable HTTP, which lists its tools itself."""

    type: Literal["mcp"]

    @model_validator(mode="after")
    def _a_credential(self) -> Self:
        if self.credential_key is None:
            raise ValueError(f"must have one of {one_of()}, found none")
        return self


ServiceDeclaration: TypeAlias = HTTPDeclaration | MCPDeclaration
FileDeclaration: TypeAlias = ServiceDeclaration | BuiltInDeclaration
"""What SERVICES_FILE may declare under a name."""
