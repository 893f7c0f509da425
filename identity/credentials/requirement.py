"""What a service needs: the API key or access token that it declares."""

from dataclasses import dataclass, field
from typing import TypeAlias

from identity.credentials.placement import BEARER, Placement
from identity.error_code import ErrorCode
from identity.error_codes import IdentityCode


@dataclass(frozen=True, slots=True)
class ApiKeyRequirement:
    """The need for an API key that IDaaS keeps under `identifier` (Developer API, `ObtainCredential`).

    `error_code` is the row of the error table for a refusal, and no part of what the need is: two needs
    with one identifier share one credential.
    """

    identifier: str
    error_code: ErrorCode = field(default=IdentityCode.SERVICE_KEY_UNAVAILABLE, compare=False)
    placement: Placement = field(default=BEARER, compare=False)
    """Where the service expects it. Not compared: a cached credential may have another placement."""


@dataclass(frozen=True, slots=True)
class AccessTokenRequirement:
    """The need for an access token with `scope`, in IDaaS's form `audience|permission`."""

    scope: str
    placement: Placement = field(default=BEARER, compare=False)
    """Where the service expects it. Not compared: a cached credential may have another placement."""

    @property
    def audience(self) -> str | None:
        """Whom the token is for, if the scope says so."""
        audience, bar, _ = self.scope.rpartition("|")
        return audience if bar else None

    @property
    def permission(self) -> str:
        """The scope without the audience."""
        return self.scope.rpartition("|")[2]


CredentialRequirement: TypeAlias = ApiKeyRequirement | AccessTokenRequirement
