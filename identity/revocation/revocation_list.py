"""The revocations in force, looked up by the claims of a verified token."""

from collections.abc import Iterable

from identity.revocation.revocation import Origin, Revocation, Target

_Key = tuple[Target, str, Origin]


class RevocationList:
    """Decides whether a token is revoked, in memory, with a few dictionary look-ups and without I/O.

    Guaranteed: the result depends only on the revocations that were applied, not on their order. A token
    without `iat` counts as issued before every revocation.

    Not checked: who applies a revocation. At most `capacity` entries are kept; beyond it the oldest changes
    are dropped, restored ones first, and `dropped` counts them.

    For one thread.
    """

    def __init__(self, capacity: int = 100_000) -> None:
        self._capacity = capacity
        self._entries: dict[_Key, Revocation] = {}
        self._users: dict[str, float] = {}
        self._tokens: set[str] = set()
        self._all: float | None = None
        self.dropped = 0

    def apply(self, revocation: Revocation) -> bool:
        """Adds a revocation. Returns whether it changed anything: a later one may be known."""
        known = self._entries.get(revocation.key)
        if known is not None and known.order >= revocation.order:
            return False
        self._entries[revocation.key] = revocation
        self._index(revocation.target, revocation.name)
        if len(self._entries) > self._capacity:
            self._drop_oldest()
        return known is None or known.until != revocation.until

    def refuses(self, subject: str, issued_at: float | None, fingerprint: str) -> bool:
        """Whether the token with this `sub`, `iat` and SHA-256 is revoked."""
        if not self._entries:
            return False
        issued = float("-inf") if issued_at is None else issued_at
        return fingerprint in self._tokens or any(
            until is not None and issued <= until for until in (self._users.get(subject), self._all)
        )

    def supersedes(self, revocation: Revocation) -> bool:
        """Whether a later one of the same key is in force."""
        known = self._entries.get(revocation.key)
        return known is not None and known.order > revocation.order

    def entries(self) -> Iterable[Revocation]:
        """All entries, restored ones too."""
        return tuple(self._entries.values())

    def _index(self, target: Target, name: str) -> None:
        found = (self._entries.get((target, name, origin)) for origin in Origin)
        limits = [each.until for each in found if each is not None and each.until is not None]
        if target is Target.ALL:
            self._all = max(limits, default=None)
        elif target is Target.TOKEN:
            (self._tokens.add if limits else self._tokens.discard)(name)
        elif limits:
            self._users[name] = max(limits)
        else:
            self._users.pop(name, None)

    def _drop_oldest(self) -> None:
        oldest = min(self._entries.values(), key=lambda entry: (entry.until is not None, entry.changed_at))
        del self._entries[oldest.key]
        self._index(oldest.target, oldest.name)
        self.dropped += 1
