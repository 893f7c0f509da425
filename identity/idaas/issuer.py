"""Issues credentials by IDaaS: a token in one request, an API key in two, with a credential store token."""

from typing import Final, Protocol

from identity.access_identity import AccessIdentity
from identity.access_token.verified_access_token import VerifiedAccessToken
from identity.credentials.issuer import IssuedCredential
from identity.credentials.requirement import AccessTokenRequirement, ApiKeyRequirement, CredentialRequirement
from identity.idaas.token_response import IssuedToken
from identity.secret import Secret

PAM_TOKEN: Final = AccessTokenRequirement("urn:cloud:idaas:pam|.all")
"""The access token that may read API keys from the credential store of IDaaS (PAM)."""


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


class IDaaSIssuer:
    """A `CredentialIssuer`: `client_credentials` under Machine, RFC 8693 token exchange under Human identity.

    The prerequisite of an API key is `PAM_TOKEN`.
    """

    def __init__(self, requests: IDaaSRequests) -> None:
        self._requests = requests

    def prerequisite(self, requirement: CredentialRequirement) -> CredentialRequirement | None:
        """`PAM_TOKEN` for an API key."""
        return PAM_TOKEN if isinstance(requirement, ApiKeyRequirement) else None

    async def issue(
        self,
        requirement: CredentialRequirement,
        access_identity: AccessIdentity,
        caller: VerifiedAccessToken | None,
        prerequisite: Secret | None,
    ) -> IssuedCredential:
        """See `CredentialIssuer`. Raises `TypeError` if the caller or the prerequisite is missing."""
        if isinstance(requirement, ApiKeyRequirement):
            if prerequisite is None:
                raise TypeError("an API key requires a token for the credential store")
            return IssuedCredential(await self._requests.obtain_api_key(prerequisite, requirement))
        if access_identity is AccessIdentity.MACHINE:
            issued = await self._requests.machine_token(requirement.scope)
        elif caller is None:
            raise TypeError("under Human identity there must be a caller")
        else:
            issued = await self._requests.exchange(caller.token, requirement.scope)
        return IssuedCredential(issued.token, issued.expires_at)
