"""A credential that was issued."""

from dataclasses import dataclass

from identity.credentials.requirement import CloudRoleRequirement, CredentialRequirement
from identity.credentials.signed_request import StsCredential
from identity.principal import AccessIdentity, Principal
from identity.secrets.secret import Secret


@dataclass(frozen=True, slots=True)
class Credential:
    """An API key, a token, or the packed credentials of a cloud role, that was issued.

    It must not be used at or after `expires_at`, in unix seconds: never later than the token's own `exp` or,
    under Human identity, the end of the user's access token. An API key does not expire; for it, `expires_at`
    is the end of its use without confirmation by the issuer. `principal` is the user whose rights it has, and
    `None` for the agent's own.
    """

    requirement: CredentialRequirement
    access_identity: AccessIdentity
    secret: Secret
    expires_at: float
    principal: Principal | None = None

    @property
    def secrets(self) -> tuple[Secret, ...]:
        """The secrets that must not be shown: `secret`, or what is packed in it."""
        if not isinstance(self.requirement, CloudRoleRequirement):
            return (self.secret,)
        sts = StsCredential.unpacked(self.secret)
        return (sts.access_key_secret, sts.security_token)
