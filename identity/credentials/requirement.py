"""The API key or access token that a service declares it requires."""

from dataclasses import dataclass, field
from typing import TypeAlias

from identity.credentials.placement import BEARER, Placement
from identity.error_code import ErrorCode
from identity.error_codes import IdentityCode


@dataclass(frozen=True, slots=True)
class ApiKeyRequirement:
    """Requires the API key that IDaaS stores under `identifier` (Developer API, `ObtainCredential`).

    `error_code` is the code of a refusal. It is not compared: two requirements with one identifier are equal
    and share one credential.
    """

    identifier: str
    error_code: ErrorCode = field(default=IdentityCode.SERVICE_KEY_UNAVAILABLE, compare=False)
    placement: Placement = field(default=BEARER, compare=False)
    """Where the service expects it. Not compared: a credential does not depend on its placement."""


@dataclass(frozen=True, slots=True)
class AccessTokenRequirement:
    """Requires an access token with `scope`, in IDaaS's form `audience|permission`."""

    scope: str
    placement: Placement = field(default=BEARER, compare=False)
    """Where the service expects it. Not compared: a credential does not depend on its placement."""

    @property
    def audience(self) -> str | None:
        """The audience of the token; `None` if the scope contains none."""
        audience, bar, _ = self.scope.rpartition("|")
        return audience if bar else None

    @property
    def permission(self) -> str:
        """The scope without the audience."""
        return self.scope.rpartition("|")[2]


CredentialRequirement: TypeAlias = ApiKeyRequirement | AccessTokenRequirement
