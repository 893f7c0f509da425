"""A credential in the cache, with the times that decide whether it is used, renewed or requested again."""

from dataclasses import dataclass

from identity.access_identity import AccessIdentity
from identity.access_token.verified_access_token import VerifiedAccessToken
from identity.credentials.credential import Credential
from identity.credentials.credential_key import required_caller
from identity.credentials.freshness import Freshness
from identity.credentials.requirement import CredentialRequirement
from identity.secrets.secret import Secret

_FIRST_RETRY_DELAY, _MAX_RETRY_DELAY = 2.0, 60.0


@dataclass(slots=True)
class CachedCredential:
    """A credential with its times (see `Freshness`), and the failures of fetching the next one."""

    credential: Credential
    obtained_at: float
    refresh_at: float
    stale_at: float
    retry_at: float = 0.0
    failures: int = 0
    unreachable: bool = False
    """Whether the last failure was that the issuer did not respond. Only then is a stale credential used."""

    def record_failure(self, now: float, *, unreachable: bool) -> None:
        """Delays the next attempt to fetch it, longer after each failure."""
        self.retry_at = now + min(_FIRST_RETRY_DELAY * 2 ** min(self.failures, 10), _MAX_RETRY_DELAY)
        self.failures += 1
        self.unreachable = unreachable

    def serves_stale(self, now: float) -> bool:
        """Whether it may be used although it is stale: the issuer did not respond to the last request."""
        return self.unreachable and now < self.retry_at and now < self.credential.expires_at


def cached_credential(
    requirement: CredentialRequirement,
    access_identity: AccessIdentity,
    caller: VerifiedAccessToken | None,
    secret: Secret,
    freshness: Freshness,
    obtained_at: float,
) -> CachedCredential:
    """The entry for an issued `secret`. Under Human identity it ends with the caller's access token."""
    end = float("inf") if access_identity is AccessIdentity.MACHINE else required_caller(caller).expires_at
    holder = None if access_identity is AccessIdentity.MACHINE else required_caller(caller).principal
    return CachedCredential(
        Credential(requirement, access_identity, secret, min(freshness.expires_at, end), holder),
        obtained_at=obtained_at,
        refresh_at=freshness.refresh_at,
        stale_at=min(freshness.stale_at, end),
    )
