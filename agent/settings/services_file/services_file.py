"""Reads SERVICES_FILE, in which an operator declares more services than the variables do, as TOML.

`docs/services.schema.json` is the JSON Schema of its form, generated from the models below.
"""

import tomllib
from pathlib import Path
from typing import Annotated, Any, Final, Literal, Self, TypeAlias

from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    TypeAdapter,
    ValidationError,
    model_validator,
)

from agent.settings.services_file.tool_policies import PolicyDeclaration
from identity.access_identity import AccessIdentity
from identity.credentials.http_auth.placement import BEARER, Placement
from identity.credentials.requirement import IssuedJwtRequirement, OAuthTokenRequirement
from identity.transport.client import checked_url

RESERVED_NAMES: Final = frozenset(
    {"amap", "approvals", "authenticate", "credentials", "enterprise", "leave", "model"}
)
"""The names of the graph's nodes and of the services that the variables declare."""

_MAX_BYTES: Final = 1024 * 1024
_TYPES: Final = ("http", "mcp")


CREDENTIAL_KEYS: Final = ("access_token", "api_key", "issued_jwt", "cloud_role", "oauth_token")
"""The keys that declare the credential of a service; at most one is set."""


def _one_of() -> str:
    return " and ".join((", ".join(CREDENTIAL_KEYS[:-1]), CREDENTIAL_KEYS[-1]))


def _free_name(name: str) -> str:
    if name in RESERVED_NAMES:
        raise ValueError("is the name of an existing service or node")
    return name


_Name = Annotated[str, Field(pattern=r"^[a-z][a-z0-9_-]{0,31}$"), AfterValidator(_free_name)]
_Url = Annotated[str, AfterValidator(checked_url), Field(description="https, or http to a loopback address.")]
_Seconds = Annotated[float, Field(gt=0, le=3600, allow_inf_nan=False)]


class _Placement(BaseModel):
    """`{ header = "X-API-Key" }`, with an optional `scheme`, or `{ query = "key" }`."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    header: str = ""
    scheme: str = ""
    query: str = ""

    @model_validator(mode="after")
    def _can_be_sent(self) -> Self:
        self.value()
        return self

    def value(self) -> Placement:
        return Placement(self.header, self.scheme, self.query)


class _IssuedJwt(BaseModel):
    """`{ provider = "reports_jwt", audience = "https://reports.example", claims = { tier = "gold" } }`."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    provider: Annotated[str, Field(pattern=r"^[A-Za-z0-9._-]{1,64}$")] = Field(
        description="The identifier of the JWT provider in IDaaS."
    )
    audience: Annotated[str, Field(pattern=r"^\S+$")]
    claims: dict[str, str] = Field(default_factory=dict, description="Further claims. No secret.")

    @model_validator(mode="after")
    def _can_be_issued(self) -> Self:
        self.requirement()
        return self

    def requirement(self, placement: Placement = BEARER) -> IssuedJwtRequirement:
        return IssuedJwtRequirement(
            self.provider, self.audience, tuple(sorted(self.claims.items())), placement
        )


class _OAuthToken(BaseModel):
    """`{ provider = "calendar", scopes = ["calendar.read"], parameters = { access_type = "offline" } }`."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    provider: Annotated[str, Field(pattern=r"^[A-Za-z0-9._-]{1,64}$")] = Field(
        description="The identifier of the OAuth provider in IDaaS."
    )
    scopes: tuple[Annotated[str, Field(pattern=r"^[\x21\x23-\x5b\x5d-\x7e]{1,1024}$")], ...] = Field(
        (), description="Default: those of the provider."
    )
    parameters: dict[Annotated[str, Field(pattern=r"^[\w.-]{1,64}$")], str] = Field(
        default_factory=dict, description="Added to the URL of the consent. No secret."
    )

    def requirement(self, placement: Placement = BEARER) -> OAuthTokenRequirement:
        return OAuthTokenRequirement(
            self.provider, self.scopes, tuple(sorted(self.parameters.items())), placement
        )


class _CloudRole(BaseModel):
    """`{ role = "acs:ram::1000000000000001:role/report-reader", seconds = 900 }`."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    role: Annotated[str, Field(pattern=r"^acs:ram::\d{1,20}:role/[\w.-]{1,64}$")] = Field(
        description="The ARN of the role, as the cloud account in IDaaS has it."
    )
    seconds: Annotated[int, Field(ge=900, le=43200)] = Field(
        3600, description="Until the credentials expire."
    )


class _Declaration(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")

    url: _Url
    access_token: Annotated[str, Field(pattern=r"^[^\s|]+\|[^\s|]+$")] | None = Field(
        None, description="The credential is an access token of this `audience|permission`."
    )
    api_key: Annotated[str, Field(pattern=r"^\S+$")] | None = Field(
        None, description="The credential is the API key that IDaaS keeps under this identifier."
    )
    issued_jwt: _IssuedJwt | None = Field(
        None, description="The credential is a JWT of one of IDaaS's JWT providers, for the caller."
    )
    placement: _Placement | None = Field(
        None, description="Where requests carry the credential. Default: `Authorization: Bearer …`."
    )
    access_identity: AccessIdentity | None = Field(None, description="Default: `ACCESS_IDENTITY`.")
    policies: dict[str, PolicyDeclaration] = Field(
        default_factory=dict, description="By the names of tools; each replaces what the code declares."
    )
    timeout_seconds: _Seconds = Field(20.0, description="For one call.")

    @model_validator(mode="after")
    def _one_credential(self) -> Self:
        found = self._credential_keys()
        if len(found) > 1:
            raise ValueError(f"must have one of {_one_of()}, found {' and '.join(found)}")  # noqa: EM102
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
    cloud_role: _CloudRole | None = Field(
        None, description="Requests are signed with temporary credentials of this Alibaba Cloud role."
    )
    oauth_token: _OAuthToken | None = Field(
        None, description="The credential is an access token that IDaaS obtained from another provider."
    )

    @model_validator(mode="after")
    def _signature_has_its_place(self) -> Self:
        if self.cloud_role is not None and self.placement is not None:
            raise ValueError("must have no placement with cloud_role: the request is signed")
        return self


class MCPDeclaration(_Declaration):
    """An MCP server over streamable HTTP, which lists its tools itself."""

    type: Literal["mcp"]
    tools: tuple[Annotated[str, Field(min_length=1)], ...] | None = Field(
        None, description="The tools that the model may use. Default: all that the server lists."
    )

    @model_validator(mode="after")
    def _a_credential(self) -> Self:
        if self.credential_key is None:
            raise ValueError(f"must have one of {_one_of()}, found none")  # noqa: EM102
        return self

    @model_validator(mode="after")
    def _policies_of_its_tools(self) -> Self:
        if self.tools is not None and (unknown := sorted(self.policies.keys() - set(self.tools))):
            raise ValueError(f'must list the tool "{unknown[0]}" in tools, because it has a policy')  # noqa: EM102
        return self


ServiceDeclaration: TypeAlias = HTTPDeclaration | MCPDeclaration


class ServicesFile(BaseModel):
    """The whole file: `[services.NAME]` for each service."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    services: dict[_Name, Annotated[ServiceDeclaration, Field(discriminator="type")]] = Field(
        default_factory=dict
    )


def read_services_file(path: Path) -> tuple[dict[str, ServiceDeclaration], list[str]]:
    """The declarations by name, and all faults of the file, each with its place and without values.

    With a fault there are no declarations. Not checked: whether `python` can be loaded.
    """
    try:
        with path.open("rb") as file:
            text = file.read(_MAX_BYTES + 1)
        if len(text) > _MAX_BYTES:
            return {}, [f"SERVICES_FILE must have at most {_MAX_BYTES} bytes, found more"]
        members = tomllib.loads(text.decode())
    except OSError as error:
        return {}, [f"SERVICES_FILE must name a file that can be read: {error.strerror}"]
    except UnicodeDecodeError:
        return {}, ["SERVICES_FILE must be UTF-8"]
    except (tomllib.TOMLDecodeError, RecursionError) as error:
        place = str(error).rpartition("(")[2].rstrip(")")
        return {}, [f"SERVICES_FILE must be TOML: fault {place}"]
    try:
        return ServicesFile.model_validate(members).services, []
    except ValidationError as error:
        return {}, [f"SERVICES_FILE: {_fault(fault)}" for fault in error.errors(include_url=False)]


def services_schema() -> dict[str, Any]:
    """The JSON Schema of the file."""
    schema = TypeAdapter(ServicesFile).json_schema()
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", **schema}


def _fault(fault: Any) -> str:  # noqa: ANN401 - pydantic's ErrorDetails
    steps = [str(step) for step in fault["loc"]]
    if len(steps) > 2 and steps[2] in _TYPES:  # the member of the union that `type` chose
        del steps[2]
    place, kind = ".".join(steps), fault["type"]
    if kind == "missing":
        return f"{place} must be set"
    if kind == "extra_forbidden":
        return f"{place} is unknown"
    if kind in ("union_tag_invalid", "union_tag_not_found"):
        return f'{place}.type must be "http" or "mcp"'
    if kind == "value_error":
        return f"{place} {str(fault['msg']).removeprefix('Value error, ')}"
    return f"{place}: {fault['msg'][:1].lower()}{fault['msg'][1:]}"
