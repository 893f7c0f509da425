"""Issues credentials by IDaaS: tokens in one request, those of the store with a token for the store."""

from typing import Final, Protocol

from identity.access_identity import AccessIdentity
from identity.access_token.verified_access_token import VerifiedAccessToken
from identity.credentials.issuer import IssuedCredential
from identity.credentials.requirement import (
    AccessTokenRequirement,
    ApiKeyRequirement,
    CloudRoleRequirement,
    CredentialRequirement,
    IssuedJwtRequirement,
    OAuthTokenRequirement,
)
from identity.idaas.token_response import IssuedToken
from identity.secrets.secret import Secret

PAM_TOKEN: Final = AccessTokenRequirement("urn:cloud:idaas:pam|.all")
"""The access token that may obtain credentials from the store of IDaaS (PAM)."""


class IDaaSRequests(Protocol):
    """The requests to IDaaS that issue credentials; see `IDaaSClient`, which sends them."""

    async def machine_token(self, scope: str) -> IssuedToken:
        """An access token of the agent itself."""
        ...

    async def exchange(self, subject_token: Secret, scope: str) -> IssuedToken:
        """An access token of the user, for the user's token."""
        ...

    async def obtain_api_key(self, pam_token: Secret, requirement: ApiKeyRequirement) -> Secret:
        """An API key."""
        ...

    async def generate_jwt(
        self, pam_token: Secret, requirement: IssuedJwtRequirement, subject: str | None
    ) -> IssuedToken:
        """A JWT of `subject`; of the agent itself if `None`."""
        ...

    async def obtain_cloud_role(self, pam_token: Secret, requirement: CloudRoleRequirement) -> IssuedToken:
        """Temporary credentials of a role, packed."""
        ...

    async def fetch_oauth_token(self, pam_token: Secret, requirement: OAuthTokenRequirement) -> IssuedToken:
        """A token of a foreign authorization server."""
        ...


class IDaaSIssuer:
    """A `CredentialIssuer`: `client_credentials` under Machine, RFC 8693 token exchange under Human identity.

    The prerequisite of every credential but an access token is `PAM_TOKEN`.
    """

    def __init__(self, requests: IDaaSRequests) -> None:
        self._requests = requests

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
                issued = await self._requests.machine_token(requirement.scope)
            else:
                issued = await self._requests.exchange(user.token, requirement.scope)
            return IssuedCredential(issued.token, issued.expires_at)
        if prerequisite is None:
            raise TypeError("a credential of the store requires a token for the credential store")
        if isinstance(requirement, ApiKeyRequirement):
            return IssuedCredential(await self._requests.obtain_api_key(prerequisite, requirement))
        if isinstance(requirement, CloudRoleRequirement):
            issued = await self._requests.obtain_cloud_role(prerequisite, requirement)
        elif isinstance(requirement, OAuthTokenRequirement):
            issued = await self._requests.fetch_oauth_token(prerequisite, requirement)
        else:
            subject = None if user is None else user.principal.subject
            issued = await self._requests.generate_jwt(prerequisite, requirement, subject)
        return IssuedCredential(issued.token, issued.expires_at)
