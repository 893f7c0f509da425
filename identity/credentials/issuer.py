"""The Protocol by which the broker requests credentials from an identity provider."""

from dataclasses import dataclass
from typing import Protocol

from identity.access_token.verified_access_token import VerifiedAccessToken
from identity.credentials.requirement import CredentialRequirement
from identity.principal import AccessIdentity
from identity.secrets.secret import Secret


@dataclass(frozen=True, slots=True)
class IssuedCredential:
    """An issued secret. `expires_at` is in unix seconds by the agent's clock; `None` means no expiry."""

    secret: Secret
    expires_at: float | None = None


class CredentialIssuer(Protocol):
    """Issues credentials; `identity.idaas.client.IDaaSClient` is an implementation. Caches nothing."""

    def prerequisite(self, requirement: CredentialRequirement) -> CredentialRequirement | None:
        """The credential that must be obtained first and passed to `issue`; `None` if there is none.

        Returns the same result each time, without I/O. The broker obtains it under the same access identity
        and for the same caller. Prerequisites must not form a cycle; this is not checked.
        """

    async def issue(
        self,
        requirement: CredentialRequirement,
        access_identity: AccessIdentity,
        caller: VerifiedAccessToken | None,
        prerequisite: Secret | None,
    ) -> IssuedCredential:
        """Requests the credential once. `caller` is `None` under Machine identity, and only then.

        Raises `CredentialError` if the request is refused: of these, `PrerequisiteRefusedError` if the
        prerequisite is refused, and `RequirementRefusedError` if only this requirement is, so that the
        caller's other credentials stay in use. Raises `UnreachableError` if there is no usable response.
        """
