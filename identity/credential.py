"""What is needed to call a service, and what was obtained."""

from dataclasses import dataclass
from typing import Protocol, TypeAlias

from identity.access_identity import AccessIdentity
from identity.access_token import VerifiedAccessToken
from identity.secret import Secret


@dataclass(frozen=True, slots=True)
class ApiKey:
    """The need for an API key that IDaaS keeps under `identifier` (Developer API, `ObtainCredential`)."""

    identifier: str


@dataclass(frozen=True, slots=True)
class AccessToken:
    """The need for an access token with `scope`, in IDaaS's form `audience|permission`."""

    scope: str


CredentialNeed: TypeAlias = ApiKey | AccessToken


@dataclass(frozen=True, slots=True)
class Credential:
    """An API key or access token in hand. `expires_at` is in unix seconds."""

    need: CredentialNeed
    access_identity: AccessIdentity
    secret: Secret
    expires_at: float


class CredentialSource(Protocol):
    """Where services get credentials; `CredentialBroker` is the real one."""

    async def obtain(
        self, need: CredentialNeed, access_identity: AccessIdentity, subject: VerifiedAccessToken
    ) -> Credential:
        """A credential that is good now.

        `subject` is the verified caller; it is used only under Human identity.
        Raises `CredentialError` if IDaaS refuses, `UnreachableError` if it does not answer.
        """
        ...

    def invalidate(self, credential: Credential, subject: VerifiedAccessToken) -> None:
        """Forgets exactly this credential: a service refused it. A newer one for the same need stays."""
        ...
