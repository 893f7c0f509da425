"""Caches the agent's own credentials and those of each user."""

from collections import OrderedDict
from collections.abc import Callable

from identity.credentials.cached_credential import CachedCredential
from identity.credentials.credential_key import CredentialKey
from identity.credentials.requirement import CredentialRequirement
from identity.principal import Principal


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
        gone = [
            (holder, entries)
            for holder, entries in self._users.items()
            if (principal := entries[0].credential.principal) is not None and matches(holder, principal)
        ]
        for holder, entries in gone:
            del self._users[holder]
            self._user_entries -= len(entries)
        return len(gone)

    def remove_where(self, holder: str | None, matches: Callable[[CredentialRequirement], bool]) -> None:
        """Removes the holder's entries for the requirements for which `matches` is true."""
        if holder is None:
            self._machine = {
                requirement: entry for requirement, entry in self._machine.items() if not matches(requirement)
            }
            return
        entries = self._users.get(holder, [])
        kept = [entry for entry in entries if not matches(entry.credential.requirement)]
        self._user_entries -= len(entries) - len(kept)
        if kept:
            self._users[holder] = kept
        else:
            self._users.pop(holder, None)
