"""The Protocol by which services obtain credentials."""

from typing import Protocol

from identity.access_token.verified_access_token import VerifiedAccessToken
from identity.credentials.credential import Credential
from identity.credentials.requirement import CredentialRequirement
from identity.principal import AccessIdentity


class CredentialSource(Protocol):
    """Credentials for requirements; `CredentialBroker` is an implementation."""

    def cached(
        self,
        requirement: CredentialRequirement,
        access_identity: AccessIdentity,
        caller: VerifiedAccessToken | None,
    ) -> Credential | None:
        """The credential if it is cached and usable now; `None` means: await `obtain`. No I/O."""
        ...

    async def obtain(
        self,
        requirement: CredentialRequirement,
        access_identity: AccessIdentity,
        caller: VerifiedAccessToken | None,
    ) -> Credential:
        """A credential that is usable now.

        `caller` is used only under Human identity: the credential has this caller's rights. Under Machine
        identity it may be `None`.
        Raises `CredentialError` if the issuer refuses, `UnreachableError` if there is no usable response, and
        `AccessTokenError` if the caller's own token has expired since it was verified.
        """
        ...

    def invalidate(self, credential: Credential, caller: VerifiedAccessToken | None) -> None:
        """Removes this credential, because a service refused it. A newer one for its requirement stays.

        A credential that was obtained a few seconds ago also stays: `obtain` returns the same object again.
        """
        ...
