"""Issues credentials by IDaaS: tokens in one request, those of the store with a token for the store."""

from typing import Final

from identity.access_token.verified_access_token import VerifiedAccessToken
from identity.credentials.issuer import IssuedCredential
from identity.credentials.requirement import AccessTokenRequirement, CredentialRequirement
from identity.idaas.client import IDaaSClient
from identity.principal import AccessIdentity
from identity.secrets.secret import Secret

PAM_TOKEN: Final = AccessTokenRequirement("urn:cloud:idaas:pam|.all")
"""The access token that may obtain credentials from the store of IDaaS (PAM)."""


class IDaaSIssuer:
    """A `CredentialIssuer`: `client_credentials` under Machine, RFC 8693 token exchange under Human identity.

    The prerequisite of every credential but an access token is `PAM_TOKEN`.
    """

    def __init__(self, client: IDaaSClient) -> None:
        self._client = client

    def prerequisite(self, requirement: CredentialRequirement) -> CredentialRequirement | None:
        """`PAM_TOKEN` for a credential of the store."""
        return None if isinstance(requirement, AccessTokenRequirement) else PAM_TOKEN

    async def issue(
        self,
        requirement: CredentialRequirement,
        access_identity: AccessIdentity,
        caller: VerifiedAccessToken | None,
        prerequisite: Secret | None,
    ) -> IssuedCredential:
        """See `CredentialIssuer`. Raises `TypeError` if the caller or the prerequisite is missing."""
        if access_identity is AccessIdentity.HUMAN and caller is None:
            raise TypeError("under Human identity there must be a caller")
        user = caller if access_identity is AccessIdentity.HUMAN else None
        if isinstance(requirement, AccessTokenRequirement):
            if user is None:
                return await self._client.machine_token(requirement.scope)
            return await self._client.exchange(user.token, requirement.scope)
        if prerequisite is None:
            raise TypeError("a credential of the store requires a token for the credential store")
        subject = None if user is None else user.principal.subject
        return await self._client.obtain(prerequisite, requirement, subject)
