"""The credentials in hand: the agent's own, and each user's, apart."""

from collections import OrderedDict
from dataclasses import dataclass

from identity.credential import Credential, CredentialNeed

HolderKey = tuple[str | None, CredentialNeed]
"""Whose (the fingerprint of the user's access token; `None` is the agent itself), and what."""

_FIRST_PAUSE, _LONGEST_PAUSE = 2.0, 60.0


@dataclass(slots=True)
class HeldCredential:
    """A credential with its times (see `Freshness`), and how fetching the next one went so far."""

    credential: Credential
    refresh_at: float
    stale_at: float
    retry_at: float = 0.0
    failures: int = 0

    def note_failure(self, now: float) -> None:
        """The next one could not be fetched: wait before trying again, longer each time."""
        self.retry_at = now + min(_FIRST_PAUSE * 2**self.failures, _LONGEST_PAUSE)
        self.failures += 1


class HeldCredentials:
    """By key. Users' credentials are bounded: the least recently used leave first. The agent's own, whose
    number the configuration gives, are not, so that no crowd of users can push them out.
    """

    def __init__(self, capacity: int) -> None:
        self._capacity = capacity
        self._machine: dict[HolderKey, HeldCredential] = {}
        self._human: OrderedDict[HolderKey, HeldCredential] = OrderedDict()

    def __len__(self) -> int:
        return len(self._machine) + len(self._human)

    def get(self, key: HolderKey) -> HeldCredential | None:
        """The entry, whatever its age."""
        if key[0] is None:
            return self._machine.get(key)
        held = self._human.get(key)
        if held is not None:
            self._human.move_to_end(key)
        return held

    def put(self, key: HolderKey, held: HeldCredential, now: float) -> None:
        """Replaces the entry. Makes room: at the old end, what has expired goes, and what is too much."""
        if key[0] is None:
            self._machine[key] = held
            return
        self._human[key] = held
        self._human.move_to_end(key)
        while self._human:
            oldest, entry = next(iter(self._human.items()))
            if len(self._human) <= self._capacity and entry.credential.expires_at > now:
                break
            del self._human[oldest]

    def remove(self, key: HolderKey) -> None:
        """Forgets the entry, if there is one."""
        entries = self._machine if key[0] is None else self._human
        entries.pop(key, None)
