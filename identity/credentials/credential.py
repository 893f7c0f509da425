"""An issued API key or access token."""

from dataclasses import dataclass

from identity.access_identity import AccessIdentity
from identity.credentials.requirement import CredentialRequirement
from identity.principal import Principal
from identity.secret import Secret


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
