"""The seam by which services get credentials."""

from typing import Protocol

from identity.access_identity import AccessIdentity
from identity.access_token.verified_access_token import VerifiedAccessToken
from identity.credentials.credential import Credential
from identity.credentials.requirement import CredentialRequirement


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
