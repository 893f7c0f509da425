"""How SERVICES_FILE declares the credential of a service: its kind, and where requests carry it."""

from typing import Annotated, Final, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

from identity.credentials.placement import BEARER, Placement
from identity.credentials.requirement import (
    AccessTokenRequirement,
    ApiKeyRequirement,
    CloudRoleRequirement,
    CredentialRequirement,
    IssuedJwtRequirement,
    OAuthTokenRequirement,
)
from identity.errors import ErrorCode

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

    def requirement(self, _placement: Placement = BEARER) -> CloudRoleRequirement:
        """What calls of the service require. The signature has its own place."""
        return CloudRoleRequirement(self.role, self.seconds)


CREDENTIAL_KEYS: Final = ("access_token", "api_key", "issued_jwt", "cloud_role", "oauth_token")
"""The keys that declare the credential of a service; at most one is set."""


class CredentialDeclaration(BaseModel):
    """The keys that any service may have."""

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

    @model_validator(mode="after")
    def _one_credential(self) -> Self:
        found = self._credential_keys()
        if len(found) > 1:
            raise ValueError(f"must have one of {one_of()}, found {' and '.join(found)}")
        return self

    @property
    def credential_key(self) -> str | None:
        """The key that declares the credential; `None` if there is none."""
        return next(iter(self._credential_keys()), None)

    def requirement(self, key_error_code: ErrorCode) -> CredentialRequirement | None:
        """What calls of the service require. `key_error_code` is the code of an API key that is refused."""
        placement = BEARER if self.placement is None else self.placement.value()
        if self.access_token is not None:
            return AccessTokenRequirement(self.access_token, placement)
        if self.api_key is not None:
            return ApiKeyRequirement(self.api_key, key_error_code, placement)
        if self.credential_key is None:
            return None
        table: IssuedJwtDeclaration | OAuthTokenDeclaration | CloudRoleDeclaration
        table = getattr(self, self.credential_key)
        return table.requirement(placement)

    def _credential_keys(self) -> list[str]:
        return [key for key in CREDENTIAL_KEYS if getattr(self, key, None) is not None]


class HTTPCredentialDeclaration(CredentialDeclaration):
    """The keys of a service over HTTP."""

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


def one_of() -> str:
    """The keys, in a sentence."""
    return " and ".join((", ".join(CREDENTIAL_KEYS[:-1]), CREDENTIAL_KEYS[-1]))
