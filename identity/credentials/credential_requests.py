"""Requests to the issuer: each is measured, and recorded before its credential is used."""

from collections.abc import Callable

from identity.access_token.verified_access_token import VerifiedAccessToken
from identity.audit.trail import AuditTrail
from identity.credentials.credential_cache import (
    CachedCredential,
    api_key_freshness,
    cached_credential,
    required_caller,
    token_freshness,
)
from identity.credentials.issuer import CredentialIssuer, IssuedCredential
from identity.credentials.requirement import CredentialRequirement
from identity.observation.attribute import Attribute
from identity.observation.metrics import Histogram
from identity.observation.span import timed_span
from identity.principal import AccessIdentity
from identity.secrets.secret import Secret


class CredentialRequests:
    """Requests single credentials, and decides until when each is used. Caches and retries nothing."""

    def __init__(
        self,
        issuer: CredentialIssuer,
        audit: AuditTrail,
        seconds: Histogram,
        *,
        clock: Callable[[], float],
        jitter: Callable[[], float],
        api_key_max_age: float,
        api_key_max_stale: float,
    ) -> None:
        """`seconds` counts requests by operation and error. See `CredentialBroker` for the others."""
        self._issuer = issuer
        self._audit = audit
        self._seconds = seconds
        self._clock = clock
        self._jitter = jitter
        self._api_key_max_age = api_key_max_age
        self._api_key_max_stale = api_key_max_stale
        self._shared_keys: dict[CredentialRequirement, Secret] = {}

    async def send(
        self,
        requirement: CredentialRequirement,
        access_identity: AccessIdentity,
        caller: VerifiedAccessToken | None,
        prerequisite: Secret | None,
    ) -> CachedCredential:
        """The credential of one request. Raises what the issuer raises, and `AuditError`."""
        requested_at = self._clock()
        user = required_caller(caller) if access_identity is AccessIdentity.HUMAN else None
        operation = requirement.issue_action(access_identity).value
        timed = timed_span(self._seconds, (operation,), "issue", operation)
        async with self._audit.issue(requirement, access_identity, user).timed(timed) as step:
            step.span.set(Attribute.ISSUE, operation)
            issued = await self._issuer.issue(requirement, access_identity, user, prerequisite)
        if issued.expires_at is not None:
            secret = issued.secret
            freshness = token_freshness(requested_at, issued.expires_at, self._jitter())
        else:
            secret = self._shared(requirement, issued)
            freshness = api_key_freshness(
                requested_at, self._api_key_max_age, self._api_key_max_stale, self._jitter()
            )
        return cached_credential(requirement, access_identity, caller, secret, freshness, self._clock())

    def _shared(self, requirement: CredentialRequirement, issued: IssuedCredential) -> Secret:
        """The key as one object for all users who read the same one.

        The issuer decides for each user whether they may read a key, but most read the same key.
        """
        known = self._shared_keys.get(requirement)
        if known is None or known != issued.secret:
            known = self._shared_keys[requirement] = issued.secret
        return known
