"""The credential that a service declares it requires."""

from dataclasses import dataclass, field
from typing import Final, TypeAlias

from identity.credentials.http_auth.placement import BEARER, Placement
from identity.credentials.http_auth.signed_request import SIGNED_REQUEST, SignedRequest
from identity.error_code import ErrorCode
from identity.error_codes import IdentityCode

_IDAAS_AUDIENCES: Final = "urn:cloud:idaas"
_ISSUERS_CLAIMS: Final = frozenset({"iss", "sub", "aud", "exp", "nbf", "iat", "jti"})
"""RFC 7519, section 4.1."""


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


@dataclass(frozen=True, slots=True)
class IssuedJwtRequirement:
    """Requires a JWT for `audience` from IDaaS's JWT provider `provider` (Developer API, `GenerateJwt…`).

    Its subject is the user under Human identity, and the agent's client id under Machine identity: no service
    and no model chooses it. `claims` are further claims, pairs of a name and a text. Raises `ValueError` for
    an audience of IDaaS itself, and for a claim that the issuer sets.
    """

    provider: str
    audience: str
    claims: tuple[tuple[str, str], ...] = ()
    placement: Placement = field(default=BEARER, compare=False)
    """Where the service expects it. Not compared: a credential does not depend on its placement."""

    def __post_init__(self) -> None:
        if self.audience.startswith(_IDAAS_AUDIENCES):
            message = f'an audience must not begin with "{_IDAAS_AUDIENCES}"'
            raise ValueError(message)
        if taken := sorted(_ISSUERS_CLAIMS.intersection(name for name, _ in self.claims)):
            raise ValueError(f'claim "{taken[0]}" is set by the issuer')


@dataclass(frozen=True, slots=True)
class CloudRoleRequirement:
    """Requires temporary credentials (STS) of the Alibaba Cloud role `role`, its ARN, for `seconds`.

    Requests are signed with them. IDaaS allows 900 to 43200 s, and the role's own limit may be lower. Raises
    `ValueError` for another duration. Not checked: whether the role exists.
    """

    role: str
    seconds: int = 3600
    placement: SignedRequest = field(default=SIGNED_REQUEST, compare=False)

    def __post_init__(self) -> None:
        if not 900 <= self.seconds <= 43200:
            raise ValueError("the duration must be from 900 to 43200 seconds")


@dataclass(frozen=True, slots=True)
class OAuthTokenRequirement:
    """Requires an access token of a foreign authorization server, from IDaaS's OAuth provider `provider`.

    The provider's flow decides whose it is: the agent's (`m2m`), or the user's (`user_federation`), which
    requires Human identity and the user's consent. Without `scopes` it has those of the provider.
    `parameters` are pairs of a name and a text, which IDaaS adds to the URL of the consent; no secrets.
    """

    provider: str
    scopes: tuple[str, ...] = ()
    parameters: tuple[tuple[str, str], ...] = ()
    placement: Placement = field(default=BEARER, compare=False)
    """Where the service expects it. Not compared: a credential does not depend on its placement."""


CredentialRequirement: TypeAlias = (
    ApiKeyRequirement
    | AccessTokenRequirement
    | IssuedJwtRequirement
    | CloudRoleRequirement
    | OAuthTokenRequirement
)
