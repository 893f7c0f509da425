"""Obtains, caches, renews and invalidates all downstream credentials."""

import asyncio
import random
import time
from collections.abc import Callable, Sequence
from dataclasses import KW_ONLY, dataclass, field, replace
from functools import partial
from typing import Final

from cachetools import TTLCache

from identity.access_token.verified_access_token import VerifiedAccessToken
from identity.audit.trail import AuditTrail
from identity.credentials.credential_cache import (
    CachedCredential,
    CredentialCache,
    CredentialKey,
    WantedCredential,
    token_times,
)
from identity.credentials.issuer import CredentialIssuer, IssuedCredential
from identity.credentials.measures import CredentialMeasures
from identity.credentials.requirement import (
    ApiKeyRequirement,
    Credential,
    CredentialRequirement,
    IssuerRequirement,
)
from identity.error_codes import IdentityCode
from identity.errors import (
    AccessTokenError,
    AgentError,
    ConsentRequiredError,
    CredentialError,
    PrerequisiteRefusedError,
    RequirementRefusedError,
    UnreachableError,
)
from identity.observation.attribute import Attribute
from identity.observation.request_context import carried_context
from identity.observation.span import timed_span
from identity.principal import AccessIdentity, Principal
from identity.secrets.secret import Secret
from identity.single_flight import SingleFlight

_MAX_REFUSALS: Final = 10_000
_REFUSAL_SECONDS: Final = 2.0
_MAX_WITHDRAWN: Final = 10_000
_WITHDRAWN_SECONDS: Final = 600.0
_API_KEY_MAX_AGE: Final = 600.0
_API_KEY_MAX_STALE: Final = 3600.0


@dataclass(eq=False, repr=False, slots=True)
class CredentialBroker:
    """Obtains credentials with few requests to the issuer, and never returns an expired one.

    - A credential is cached by access identity, user (under Human) and requirement. Under Machine it belongs
      to the agent; under Human to one access token of one user, and it is not used after that token expires.
      A refusal under Human is an error, and never leads to a credential under Machine.
    - A fresh credential in the cache costs no I/O, and `cached` needs no await. Otherwise one request is sent
      for each distinct credential, however many callers wait. Cancelling a waiter affects no other waiter;
      each receives its own copy of an error.
    - A refusal is cached for two seconds by holder and requirement, so that failing calls do not repeat
      the request. A restored permission takes effect after that time at the latest. A missing consent is not
      cached: the user may give it at any moment.
    - A credential is renewed ahead of its end, in the background, when it is used; there are no timers. While
      the issuer does not respond, a credential that has not expired stays in use, and attempts are delayed.
    - An API key does not expire. It is read again after ten minutes, and used for up to an hour while the
      issuer does not respond. It is removed at once if the issuer refuses it, its prerequisite, or the
      agent itself (`client_authentication_failed`).
    - A prerequisite (`CredentialIssuer.prerequisite`) is a credential like any other: cached, shared, renewed
      ahead, audited, and bound to the same holder. If it is refused, it is renewed once.
    - A credential that was obtained less than `renewal_seconds` ago is not invalidated: a service that
      refuses every call does not cause a renewal for every call.
    - A token that a service no longer knows, although the issuer keeps it (`CredentialRequirement.anew`), is
      removed whatever its age. If the issuer gives it again, it is asked for another one in its place, which
      may require the user's consent. If that one is refused too within ten minutes, it is not replaced:
      nobody is asked again and again for a service that refuses every token.
    - At most `capacity` credentials of users are cached.
    - A request to the issuer is recorded in `audit` before its credential is used, under the id of the first
      request that needed it.

    For one event loop; not thread-safe.
    """

    issuer: CredentialIssuer
    _: KW_ONLY
    clock: Callable[[], float] = time.time
    jitter: Callable[[], float] = random.random
    """Returns numbers from 0 to 1, which spread the refreshes of many agents over time."""
    renewal_seconds: float = 5.0
    capacity: int = 40_000
    audit: AuditTrail = field(default_factory=AuditTrail)
    measures: CredentialMeasures = field(default_factory=CredentialMeasures)
    _cache: CredentialCache = field(init=False)
    _refusals: TTLCache[CredentialKey, tuple[float, CredentialError]] = field(init=False)
    """Each with the time at which it arrived."""
    _withdrawn: TTLCache[CredentialKey, Secret] = field(init=False)
    """Secrets that services no longer know, although the issuer may still give them."""
    _shared_keys: dict[CredentialRequirement, Secret] = field(init=False, default_factory=dict)
    _flights: SingleFlight[Credential] = field(init=False)
    _prerequisites: set[CredentialRequirement] = field(init=False, default_factory=set)

    def __post_init__(self) -> None:
        self._cache = CredentialCache(self.capacity)
        self._refusals = TTLCache(_MAX_REFUSALS, _REFUSAL_SECONDS, timer=self.clock)
        self._withdrawn = TTLCache(_MAX_WITHDRAWN, _WITHDRAWN_SECONDS, timer=self.clock)
        closed = partial(UnreachableError, IdentityCode.IDAAS_UNREACHABLE, "the agent is shutting down")
        self._flights = SingleFlight(closed, carried_context)

    def cached(
        self,
        requirement: CredentialRequirement,
        access_identity: AccessIdentity,
        caller: VerifiedAccessToken | None,
        *,
        renews: bool = True,
    ) -> Credential | None:
        """The credential if it is cached and not stale; `None` means: await `obtain`.

        No I/O. If it `renews`, it starts a refresh that is due, so it must be called in the event loop.
        """
        if requirement.also:
            parts = [self.cached(part, access_identity, caller, renews=renews) for part in requirement.parts]
            credentials = [credential for credential in parts if credential is not None]
            return _together(credentials) if len(credentials) == len(parts) else None
        wanted = WantedCredential.of(requirement, access_identity, caller)
        key = wanted.key
        entry = self._cache.get(key)
        if entry is None:
            return None
        now = self.clock()
        if now >= entry.stale_at:
            return None
        due = renews and now >= entry.refresh_at and now >= entry.retry_at
        if due and not self._flights.is_closed:
            self.measures.renewed += key not in self._flights
            self._flights.start(key, partial(self._fetch, wanted))
        self.measures.cached += 1
        return entry.credential

    async def obtain(
        self,
        requirement: CredentialRequirement,
        access_identity: AccessIdentity,
        caller: VerifiedAccessToken | None,
    ) -> Credential:
        """A credential that is usable now.

        `caller` is used only under Human identity: the credential has this caller's rights. Under Machine
        identity it may be `None`.
        Raises `CredentialError` if the issuer refuses, `UnreachableError` if there is no usable response, and
        `AccessTokenError` if the caller's own token has expired since it was verified.
        """
        if requirement.also:
            credentials = (self.obtain(part, access_identity, caller) for part in requirement.parts)
            return _together(await asyncio.gather(*credentials))
        credential = self.cached(requirement, access_identity, caller)
        if credential is not None:
            return credential
        wanted = WantedCredential.of(requirement, access_identity, caller)
        if wanted.user is not None and wanted.user.is_client:
            raise CredentialError(IdentityCode.USER_TOKEN_REFUSED, "the caller is a client, and no person")
        key = wanted.key
        now = self.clock()
        if wanted.user is not None and now >= wanted.user.expires_at:
            raise AccessTokenError(IdentityCode.ACCESS_TOKEN_INVALID, 'claim "exp": the token has expired')
        stale = self._cache.get(key)
        if stale is not None and stale.serves_stale(now):
            self.measures.stale += 1
            return stale.credential
        self.measures.requested += 1
        try:
            self._raise_recent_refusal(key, now)
            if (prerequisite := self.issuer.prerequisite(requirement)) is not None:
                self._raise_recent_refusal((key[0], prerequisite), now)
                first = wanted._replace(requirement=prerequisite)
                if self._cache.get(first.key) is None:  # two requests, one after the other: it is first
                    self._flights.start(first.key, partial(self._fetch, first))
            return await self._flights.run(key, partial(self._fetch, wanted))
        except UnreachableError:
            stale = self._cache.get(key)
            if stale is None or self.clock() >= stale.credential.expires_at:
                raise
            self.measures.stale += 1
            return stale.credential
        except RequirementRefusedError as error:
            # The request may have been for an equal requirement with another `error_code`.
            if isinstance(requirement, ApiKeyRequirement) and error.code is not requirement.error_code:
                raise RequirementRefusedError(requirement.error_code, error.detail) from None
            raise

    def invalidate(
        self, credential: Credential, caller: VerifiedAccessToken | None, *, withdrawn: bool = False
    ) -> None:
        """Removes this credential, because a service refused it. A newer one for its requirement stays.

        A credential that was obtained a few seconds ago also stays: `obtain` returns the same object again.
        `withdrawn`: the service does not know the credential any more, rather than refuse one call.
        """
        for part in credential.parts:
            key = WantedCredential.of(part.requirement, part.access_identity, caller).key
            entry = self._cache.get(key)
            is_young = entry is not None and 0 <= self.clock() - entry.obtained_at < self.renewal_seconds
            if (withdrawn and self._withdraw(key, part)) or not is_young:
                self._remove(key, part)

    def forget_users(self, matches: Callable[[str, Principal], bool]) -> int:
        """Forgets the cached credentials of users who match, by the SHA-256 of their access token and their
        principal. Returns how many access tokens matched. The agent's own credentials stay.
        """
        return self._cache.remove_users(matches)

    async def settled(self) -> None:
        """Waits for the requests in progress, such as renewals in the background, whatever their results."""
        await self._flights.settled()

    async def aclose(self) -> None:
        """Cancels the requests in flight; their waiters receive `UnreachableError`."""
        await self._flights.aclose()

    async def _fetch(self, wanted: WantedCredential) -> Credential:
        """The work of a flight, recorded under the id of the request that began it."""
        try:
            entry = await self._issue(wanted)
        except AgentError as error:
            self._record_failure(wanted.key, error)
            raise
        now = self.clock()
        if now >= entry.credential.expires_at:
            raise UnreachableError(IdentityCode.IDAAS_UNREACHABLE, "the credential expired before it arrived")
        self._cache.put(wanted.key, entry, now)
        return entry.credential

    def _withdraw(self, key: CredentialKey, credential: Credential) -> bool:
        """Whether the issuer is to give another one in place of `credential`, unknown to a service."""
        if credential.requirement.anew is None:
            return False
        withdrawn = self._withdrawn.setdefault(key, credential.secret)
        return withdrawn == credential.secret

    async def _issue(self, wanted: WantedCredential) -> CachedCredential:
        entry = await self._issue_once(wanted)
        anew = wanted.requirement.anew
        if anew is None or entry.credential.secret != self._withdrawn.get(wanted.key):
            return entry
        return await self._issue_once(wanted._replace(requirement=anew))

    async def _issue_once(self, wanted: WantedCredential) -> CachedCredential:
        prerequisite = self.issuer.prerequisite(wanted.requirement)
        if prerequisite is None:
            return await self._request(wanted, None)
        self._prerequisites.add(prerequisite)
        first = await self.obtain(prerequisite, wanted.access_identity, wanted.user)
        try:
            return await self._request(wanted, first.secret)
        except PrerequisiteRefusedError:
            self._remove(wanted._replace(requirement=prerequisite).key, first)
        second = await self.obtain(prerequisite, wanted.access_identity, wanted.user)
        return await self._request(wanted, second.secret)

    async def _request(self, wanted: WantedCredential, prerequisite: Secret | None) -> CachedCredential:
        """Sends one request, measured, and recorded before its credential is used.

        Raises what the issuer raises, and `AuditError`.
        """
        requested_at = self.clock()
        requirement = wanted.requirement
        identity = wanted.access_identity
        user = wanted.user
        operation = requirement.issue_action(identity).value
        timed = timed_span(self.measures.requests, (operation,), "issue", operation)
        async with self.audit.issue(requirement, identity, user).timed(timed) as step:
            step.span.set(Attribute.ISSUE, operation)
            issued = await self.issuer.issue(requirement, identity, user, prerequisite)
        if issued.expires_at is not None:
            secret = issued.secret
            refresh_at, expires_at = token_times(requested_at, issued.expires_at, self.jitter())
            stale_at = expires_at
        else:
            secret = self._shared(requirement, issued)
            stale_at = requested_at + _API_KEY_MAX_AGE
            expires_at = requested_at + _API_KEY_MAX_STALE
            refresh_at = stale_at - _API_KEY_MAX_AGE / 10 * (1 + self.jitter() / 5)
        holder: Principal | None = None
        if user is not None:
            holder = user.principal
            # It ends with the caller's access token.
            expires_at = min(expires_at, user.expires_at)
            stale_at = min(stale_at, user.expires_at)
        credential = Credential(requirement, identity, secret, expires_at, holder)
        return CachedCredential(credential, self.clock(), refresh_at, stale_at)

    def _shared(self, requirement: CredentialRequirement, issued: IssuedCredential) -> Secret:
        """The key as one object for all users who read the same one.

        The issuer decides for each user whether they may read a key, but most read the same key.
        """
        shared = self._shared_keys.get(requirement)
        if shared is None or shared != issued.secret:
            shared = issued.secret
            self._shared_keys[requirement] = shared
        return shared

    def _raise_recent_refusal(self, key: CredentialKey, now: float) -> None:
        """If the clock was set back, a refusal does not count for longer."""
        at, refusal = self._refusals.get(key, (0.0, None))
        if refusal is not None and at <= now:
            raise refusal.again()

    def _record_failure(self, key: CredentialKey, error: AgentError) -> None:
        holder, requirement = key
        now = self.clock()
        if isinstance(error, CredentialError):
            if not isinstance(error, ConsentRequiredError):
                self._refusals[key] = now, error.again()
            self._remove_dependents(holder, requirement, error)
            if self._outlasts_permission(requirement):
                self._cache.remove(key)
        entry = self._cache.get(key)
        if entry is not None:
            entry.record_failure(now, unreachable=isinstance(error, UnreachableError))

    def _outlasts_permission(self, requirement: CredentialRequirement) -> bool:
        """Whether the credential does not expire, or much later: it is removed when the permission ends."""
        is_kept_elsewhere = isinstance(requirement, ApiKeyRequirement | IssuerRequirement)
        return is_kept_elsewhere or self.issuer.prerequisite(requirement) is not None

    def _remove_dependents(
        self, holder: str | None, requirement: CredentialRequirement, error: CredentialError
    ) -> None:
        """Removes the other credentials of `holder` that a refusal affects: those that depend on a refused
        prerequisite, and, if the agent itself is refused, those that have a prerequisite or do not expire.
        """
        prerequisite = self.issuer.prerequisite
        if error.code is IdentityCode.CLIENT_AUTHENTICATION_FAILED:
            self._cache.remove_where(holder, self._depends_on_agent)
            return
        refused = None
        if requirement in self._prerequisites:
            refused = requirement
        elif isinstance(error, PrerequisiteRefusedError) or not isinstance(error, RequirementRefusedError):
            refused = prerequisite(requirement)
        if refused is not None:
            self._cache.remove_where(holder, lambda entry: refused in (entry, prerequisite(entry)))

    def _depends_on_agent(self, requirement: CredentialRequirement) -> bool:
        return requirement in self._prerequisites or self._outlasts_permission(requirement)

    def _remove(self, key: CredentialKey, credential: Credential) -> None:
        """Removes this credential; another one for the same requirement stays."""
        entry = self._cache.get(key)
        if entry is not None and entry.credential.secret == credential.secret:
            self._cache.remove(key)


def _together(parts: Sequence[Credential]) -> Credential:
    return replace(parts[0], also=tuple(parts[1:]), expires_at=min(part.expires_at for part in parts))
