"""The tables that declare the credential of a service: its kind, and where requests carry it."""

from typing import Annotated, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

from identity.credentials.http_auth.placement import BEARER, Placement
from identity.credentials.requirement import IssuedJwtRequirement, OAuthTokenRequirement

# The patterns list ASCII characters. A counted `\w` or `\d` also matches those of other scripts, and takes
# milliseconds and megabytes to compile at each start.


class PlacementDeclaration(BaseModel):
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
        """The placement. Raises `ValueError` if it cannot be sent."""
        return Placement(self.header, self.scheme, self.query)


class IssuedJwtDeclaration(BaseModel):
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
        """What calls of the service require. Raises `ValueError` if it cannot be issued."""
        return IssuedJwtRequirement(
            self.provider, self.audience, tuple(sorted(self.claims.items())), placement
        )


class OAuthTokenDeclaration(BaseModel):
    """`{ provider = "calendar", scopes = ["calendar.read"], parameters = { access_type = "offline" } }`."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    provider: Annotated[str, Field(pattern=r"^[A-Za-z0-9._-]{1,64}$")] = Field(
        description="The identifier of the OAuth provider in IDaaS."
    )
    scopes: tuple[Annotated[str, Field(pattern=r"^[\x21\x23-\x5b\x5d-\x7e]{1,1024}$")], ...] = Field(
        (), description="Default: those of the provider."
    )
    parameters: dict[Annotated[str, Field(pattern=r"^[A-Za-z0-9_.-]{1,64}$")], str] = Field(
        default_factory=dict, description="Added to the URL of the consent. No secret."
    )

    def requirement(self, placement: Placement = BEARER) -> OAuthTokenRequirement:
        """What calls of the service require."""
        return OAuthTokenRequirement(
            self.provider, self.scopes, tuple(sorted(self.parameters.items())), placement
        )


class CloudRoleDeclaration(BaseModel):
    """`{ role = "acs:ram::1000000000000001:role/report-reader", seconds = 900 }`."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    role: Annotated[str, Field(pattern=r"^acs:ram::[0-9]{1,20}:role/[A-Za-z0-9_.-]{1,64}$")] = Field(
        description="The ARN of the role, as the cloud account in IDaaS has it."
    )
    seconds: Annotated[int, Field(ge=900, le=43200)] = Field(
        3600, description="Until the credentials expire."
    )
