"""What is needed to call a service, and what was obtained."""

from dataclasses import dataclass, field
from typing import Protocol, TypeAlias

from identity.access_identity import AccessIdentity
from identity.access_token.verified_access_token import VerifiedAccessToken
from identity.credentials.placement import BEARER, Placement
from identity.error_code import ErrorCode
from identity.error_codes import IdentityCode
from identity.principal import Principal
from identity.secret import Secret


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


@dataclass(frozen=True, slots=True)
class Credential:
    """An API key or access token in hand.

    `expires_at`, in unix seconds, is the end of its use: never later than the token's own `exp` or, under
    Human identity, the end of the user's access token. For an API key, which has no end of its own, it is
    the time until which it may be used without IDaaS confirming it. `principal` is the user whose rights it
    has, or `None` for the machine's own.
    """

    requirement: CredentialRequirement
    access_identity: AccessIdentity
    secret: Secret
    expires_at: float
    principal: Principal | None = None


class CredentialSource(Protocol):
    """Where services get credentials; `CredentialBroker` is the real one."""

    def cached(
        self,
        requirement: CredentialRequirement,
        access_identity: AccessIdentity,
        caller: VerifiedAccessToken,
    ) -> Credential | None:
        """The credential if it is at hand and good now, without waiting for anybody. Else ask `obtain`."""
        ...

    async def obtain(
        self,
        requirement: CredentialRequirement,
        access_identity: AccessIdentity,
        caller: VerifiedAccessToken,
    ) -> Credential:
        """A credential that is good now.

        `caller` is the verified caller; it is used only under Human identity.
        Raises `CredentialError` if IDaaS refuses, `UnreachableError` if it does not answer, and
        `AccessTokenError` if the caller's own token has expired meanwhile.
        """
        ...

    def invalidate(self, credential: Credential, caller: VerifiedAccessToken) -> None:
        """Forgets exactly this credential: a service refused it. A newer one for the same need stays.

        One that was obtained a few seconds ago stays too: `obtain` goes on returning the same object.
        """
        ...
