"""The verifier and the source of credentials of a graph, in memory."""

import asyncio
import hashlib
import time

from identity.access_token.verified_access_token import VerifiedAccessToken, assume_verified
from identity.credentials.requirement import (
    ApiKeyRequirement,
    Credential,
    CredentialRequirement,
    OAuthTokenRequirement,
)
from identity.error_codes import IdentityCode
from identity.errors import AccessTokenError, AgentError, ErrorCode
from identity.principal import AccessIdentity, Principal
from identity.secrets.secret import Secret


class Tokens:
    """Verifies every token `<subject>-…` as that subject's."""

    def __init__(self) -> None:
        self.verified: list[str] = []
        self.refused: set[str] = set()
        self.codes: dict[str, ErrorCode] = {}
        """With which tokens are refused that are not simply invalid."""
        self.expires_at: dict[str, float] = {}

    async def verify(self, token: Secret) -> VerifiedAccessToken:
        value = token.reveal()
        self.verified.append(value)
        if value in self.refused:
            code = self.codes.get(value, IdentityCode.ACCESS_TOKEN_INVALID)
            raise AccessTokenError(code, 'claim "exp": the token has expired')
        return assume_verified(
            principal=Principal("https://idaas.example", value.partition("-")[0]),
            audience=("agent",),
            scopes=frozenset({"agent.access"}),
            expires_at=self.expires_at.get(value, time.time() + 1200),
            fingerprint=hashlib.sha256(value.encode()).hexdigest(),
            token=token,
        )


class Vault:
    """A credential source: `<name>-of-<owner>-<n>`, where the owner is the caller under Human identity."""

    def __init__(self) -> None:
        self.obtained: list[tuple[str, str]] = []
        self.invalidated: list[Credential] = []
        self.failures: dict[str, AgentError] = {}
        self.lifetime = 600.0
        self.secret: str | None = None
        """That of all credentials, in place of one that names its owner."""
        self.hang: set[str] = set()
        """The names of credentials that come when the test sets `released`."""
        self.waited_for, self.released = asyncio.Event(), asyncio.Event()
        self.kept: dict[tuple[CredentialRequirement, str], Credential] = {}
        """Credentials that need no request, by requirement and user."""

    def cached(
        self, requirement: CredentialRequirement, _access_identity: AccessIdentity, caller, **_: bool
    ) -> Credential | None:
        return self.kept.get((requirement, caller.principal.subject))

    async def obtain(
        self, requirement: CredentialRequirement, access_identity: AccessIdentity, caller
    ) -> Credential:
        match requirement:
            case ApiKeyRequirement(identifier=name) | OAuthTokenRequirement(provider=name):
                pass
            case _:
                name = requirement.scope
        owner = "machine" if access_identity is AccessIdentity.MACHINE else caller.principal.subject
        self.obtained.append((name, owner))
        if name in self.hang:
            self.waited_for.set()
            await self.released.wait()
        if name in self.failures:
            raise self.failures[name]
        secret = Secret(self.secret or f"{name}-of-{owner}-{len(self.invalidated)}")
        holder = None if access_identity is AccessIdentity.MACHINE else caller.principal
        return Credential(requirement, access_identity, secret, time.time() + self.lifetime, holder)

    def invalidate(self, credential: Credential, _caller, *, withdrawn: bool = False) -> None:  # noqa: ARG002
        self.invalidated.append(credential)
