"""Caches the agent's own credentials and those of each user."""

from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple, Self

from identity.access_token.verified_access_token import VerifiedAccessToken
from identity.credentials.requirement import Credential, CredentialRequirement
from identity.principal import AccessIdentity, Principal

CredentialKey = tuple[str | None, CredentialRequirement]
"""The holder (the fingerprint of a user's access token; `None` is the agent itself) and the requirement."""


class WantedCredential(NamedTuple):
    """A credential by its requirement, and by whose rights it has: `user`'s; `None`: the agent's own."""

    requirement: CredentialRequirement
    access_identity: AccessIdentity
    user: VerifiedAccessToken | None

    @classmethod
    def of(
        cls,
        requirement: CredentialRequirement,
        access_identity: AccessIdentity,
        caller: VerifiedAccessToken | None,
    ) -> Self:
        """Under Human identity there must be a `caller`, else: `TypeError`."""
        if access_identity is AccessIdentity.MACHINE:
            return cls(requirement, access_identity, None)
        if access_identity is not AccessIdentity.HUMAN:
            raise TypeError("the access identity must be an AccessIdentity")
        if caller is None:
            raise TypeError("under Human identity there must be a caller")
        return cls(requirement, access_identity, caller)

    @property
    def key(self) -> CredentialKey:
        """Its key in the cache."""
        return None if self.user is None else self.user.fingerprint, self.requirement


_SKEW = 30.0  # the clocks of the agent and of a service may differ by so many seconds


def token_times(obtained_at: float, expires_at: float, jitter: float) -> tuple[float, float]:
    """When the refresh of an access token begins, and when its use ends.

    The refresh begins 60 s or 10 % of the lifetime before the end, whichever is more, but not before half of
    the lifetime; `jitter`, from 0 to 1, makes it earlier, never later. The use ends 30 s or 10 % of the
    lifetime before the end, whichever is less.
    """
    lifetime = expires_at - obtained_at
    window = min(max(60.0, lifetime / 10), lifetime / 2)
    return expires_at - window * (1 + jitter / 5), expires_at - min(_SKEW, lifetime / 10)


_FIRST_RETRY_DELAY = 2.0
_MAX_RETRY_DELAY = 60.0


@dataclass(slots=True)
class CachedCredential:
    """A credential with its times, and the failures of fetching the next one.

    From `refresh_at` on, using it fetches the next one in the background. From `stale_at` on, the next one is
    fetched before use, and this one is used only if the issuer does not respond.
    """

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


class CredentialCache:
    """Credentials by key.

    At most `capacity` credentials of users are cached; all those of the user who was inactive longest are
    evicted first. The agent's own, whose number the configuration bounds, are never evicted by users' ones.
    """

    def __init__(self, capacity: int) -> None:
        self._capacity = capacity
        self._machine: dict[CredentialRequirement, CachedCredential] = {}
        # A user has few: a list takes half the memory of entries by (user, requirement), and as little time.
        self._users: OrderedDict[str, list[CachedCredential]] = OrderedDict()
        self._user_entries = 0

    def __len__(self) -> int:
        return len(self._machine) + self._user_entries

    def get(self, key: CredentialKey) -> CachedCredential | None:
        """The entry, whatever its age."""
        holder, requirement = key
        if holder is None:
            return self._machine.get(requirement)
        entries = self._users.get(holder)
        if entries is None:
            return None
        self._users.move_to_end(holder)
        for entry in entries:
            if entry.credential.requirement == requirement:
                return entry
        return None

    def put(self, key: CredentialKey, cached: CachedCredential, now: float) -> None:
        """Replaces the entry. Then evicts the oldest users' credentials that are expired or in excess."""
        holder, requirement = key
        if holder is None:
            self._machine[requirement] = cached
            return
        self.remove(key)
        self._users.setdefault(holder, []).append(cached)
        self._users.move_to_end(holder)
        self._user_entries += 1
        while self._users:
            oldest, entries = next(iter(self._users.items()))
            expired = all(entry.credential.expires_at <= now for entry in entries)
            if self._user_entries <= self._capacity and not expired:
                break
            del self._users[oldest]
            self._user_entries -= len(entries)

    def remove(self, key: CredentialKey) -> None:
        """Removes the entry, if there is one."""
        self.remove_where(key[0], lambda requirement: requirement == key[1])

    def remove_users(self, matches: Callable[[str, Principal], bool]) -> int:
        """Removes all credentials of the users for whom `matches` is true, given the access token's SHA-256
        and the principal. Returns the number of these access tokens.
        """
        holders: list[str] = []
        for holder, entries in self._users.items():
            principal = entries[0].credential.principal
            if principal is not None and matches(holder, principal):
                holders.append(holder)
                self._user_entries -= len(entries)
        for holder in holders:
            del self._users[holder]
        return len(holders)

    def remove_where(self, holder: str | None, matches: Callable[[CredentialRequirement], bool]) -> None:
        """Removes the holder's entries for the requirements for which `matches` is true."""
        if holder is None:
            self._machine = {
                requirement: entry for requirement, entry in self._machine.items() if not matches(requirement)
            }
            return
        entries = self._users.get(holder, [])
        remaining = [entry for entry in entries if not matches(entry.credential.requirement)]
        self._user_entries -= len(entries) - len(remaining)
        if remaining:
            self._users[holder] = remaining
        else:
            self._users.pop(holder, None)
