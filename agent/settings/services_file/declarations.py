"""The declaration of one service, over HTTP or MCP, and what is added to that of the built-in server."""

from typing import Annotated, Any, Final, Literal, Self, TypeAlias

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, model_validator

from agent.settings.services_file.credentials import (
    CloudRoleDeclaration,
    IssuedJwtDeclaration,
    OAuthTokenDeclaration,
    PlacementDeclaration,
)
from agent.settings.services_file.tool_policies import PolicyDeclaration
from identity.access_identity import AccessIdentity
from identity.transport.client import checked_url

CREDENTIAL_KEYS: Final = ("access_token", "api_key", "issued_jwt", "cloud_role", "oauth_token")
"""The keys that declare the credential of a service; at most one is set."""


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


class _Declaration(_Tools):
    url: _Url
    access_token: Annotated[str, Field(pattern=r"^[^\s|]+\|[^\s|]+$")] | None = Field(
        None, description="The credential is an access token of this `audience|permission`."
    )
    api_key: Annotated[str, Field(pattern=r"^\S+$")] | None = Field(
        None, description="The credential is the API key that IDaaS keeps under this identifier."
    )
    issued_jwt: IssuedJwtDeclaration | None = Field(
        None, description="The credential is a JWT of one of IDaaS's JWT providers, for the caller."
    )
    placement: PlacementDeclaration | None = Field(
        None, description="Where requests carry the credential. Default: `Authorization: Bearer …`."
    )
    access_identity: AccessIdentity | None = Field(None, description="Default: `ACCESS_IDENTITY`.")
    timeout_seconds: _Seconds = Field(20.0, description="For one call.")

    @model_validator(mode="after")
    def _one_credential(self) -> Self:
        found = self._credential_keys()
        if len(found) > 1:
            raise ValueError(f"must have one of {_one_of()}, found {' and '.join(found)}")
        return self

    @property
    def credential_key(self) -> str | None:
        """The key that declares the credential; `None` if there is none."""
        return next(iter(self._credential_keys()), None)

    def _credential_keys(self) -> list[str]:
        return [key for key in CREDENTIAL_KEYS if getattr(self, key, None) is not None]


class HTTPDeclaration(_Declaration):
    """A service over HTTP; `python` names the function that adds its tools."""

    type: Literal["http"]
    python: Annotated[str, Field(pattern=r"^[^:]+:[A-Za-z_]\w*$")] = Field(
        description="`my_tools.payroll:service`, or `payroll.py:service` for a file relative to this one."
    )
    settings: dict[str, Any] = Field(default_factory=dict, description="Passed to the function unchanged.")
    cloud_role: CloudRoleDeclaration | None = Field(
        None, description="Requests are signed with temporary credentials of this Alibaba Cloud role."
    )
    oauth_token: OAuthTokenDeclaration | None = Field(
        None, description="The credential is an access token that IDaaS obtained from another provider."
    )

    @model_validator(mode="after")
    def _signature_has_its_place(self) -> Self:
        if self.cloud_role is not None and self.placement is not None:
            raise ValueError("must have no placement with cloud_role: the request is signed")
        return self


class MCPDeclaration(_Declaration, _ListedTools):
    """An MCP server over streamable HTTP, which lists its tools itself."""

    type: Literal["mcp"]

    @model_validator(mode="after")
    def _a_credential(self) -> Self:
        if self.credential_key is None:
            raise ValueError(f"must have one of {_one_of()}, found none")
        return self


def _one_of() -> str:
    return " and ".join((", ".join(CREDENTIAL_KEYS[:-1]), CREDENTIAL_KEYS[-1]))


ServiceDeclaration: TypeAlias = HTTPDeclaration | MCPDeclaration
FileDeclaration: TypeAlias = ServiceDeclaration | BuiltInDeclaration
"""What SERVICES_FILE may declare under a name."""
