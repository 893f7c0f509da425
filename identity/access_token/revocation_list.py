"""The revocations in force, looked up by the claims of a verified token, or by the call of a tool."""

import heapq
import math
import time
from collections.abc import Callable, Iterator, Mapping
from itertools import product
from typing import Final, TypeAlias

from identity.access_token.revocation import CALLS, Origin, Revocation, Target
from identity.errors import AgentError

_RESTORED: Final = -1.0
"""The second member of the `order` of a revocation without `until`: earlier than any time of issue."""


class RevocationList:
    """Decides whether a token is revoked, in memory, with a few dictionary look-ups and without I/O.

    Guaranteed: the result depends only on the revocations that were applied, not on their order. A token
    without `iat` counts as issued before every revocation. The number of entries has no limit: dropping one
    that a token can still reach would accept this token.

    An entry is dropped `reach` seconds after its time, or after the time up to which it refuses tokens. So
    `reach` must be at least the longest lifetime of a token that is accepted otherwise, with the tolerated
    differences of clocks. From then on every token with an `iat` up to that time is refused, so that a longer
    lifetime, or a clock that was ahead for a while, restores no access.

    Not checked: who applies a revocation. For one thread.
    """

    def __init__(self, *, reach: float = math.inf, clock: Callable[[], float] = time.time) -> None:
        """Without `reach` no entry is dropped. `clock` is in unix seconds."""
        self._reach = reach
        self._clock = clock
        self._kinds = {key: _Kind() for key in product(Target, Origin)}
        self._users = self._by_origin(Target.USER)
        self._tokens = self._by_origin(Target.TOKEN)
        self._all = self._by_origin(Target.ALL)
        self._calls = {target: self._kinds[target, Origin.OPERATOR].orders for target in CALLS}
        self.listeners: list[Callable[[Revocation], object]] = []
        """Each is called with every revocation that changes what is refused, once it counts here, and with a
        stop that is repeated: who repeats it wants to know what goes on.
        """
        self._dropped_until = _RESTORED
        self.unread: AgentError | None = None
        """Why revocations that are in force may be missing here. Until it is `None`, no token is accepted."""
        self.visited = 0
        """How many entries were looked at in search of those to drop."""

    def apply(self, revocation: Revocation) -> bool:
        """Adds a revocation. Returns whether it changed anything: a later one may be known.

        Drops at most two entries that no token can reach, so that there are never more of them than before.
        """
        kind = self._kind(revocation)
        name = revocation.name
        order = revocation.order
        current = kind.orders.get(name)
        if current is not None and current >= order:
            return False
        now = self._clock()
        if current is None:
            if max(order) + self._reach <= now:
                self._note_dropped(order)
                return False
            heapq.heappush(kind.due, (max(order) + self._reach, name))
        kind.orders[name] = order
        for _ in range(2):
            self._drop_first(kind, now)
        changed = current is None or current[1] != order[1]
        if changed or revocation.target in CALLS:
            for listener in self.listeners:
                listener(revocation)
        return changed

    def refuses(self, subject: str, issued_at: float | None, fingerprint: str) -> bool:
        """Whether the token with this `sub`, `iat` and SHA-256 is revoked."""
        issued = 0.0 if issued_at is None else issued_at
        for orders, name in ((self._users, subject), (self._all, "")):
            for by_origin in orders:
                if name in by_origin and issued <= by_origin[name][1]:
                    return True
        for by_origin in self._tokens:
            if fingerprint in by_origin and by_origin[fingerprint][1] != _RESTORED:
                return True
        return issued_at is not None and issued_at <= self._dropped_until

    @property
    def stops_calls(self) -> bool:
        """Whether an operator may have stopped any call of a tool: `False` is certain."""
        return any(self._calls.values())

    @property
    def stops_users(self) -> bool:
        """Whether an operator may have stopped the calls of any user: `False` is certain."""
        return bool(self._calls[Target.CALLS_OF_USER])

    def stopped_at(self, target: Target, name: str) -> float | None:
        """When an operator stopped the calls of `name`; `None`: they may be made. `target` is of `CALLS`."""
        order = self._calls[target].get(name)
        if order is None or order[1] <= self._clock():
            return None
        return order[0]

    def changed(self, subject: str, since: float, fingerprint: str, issued: float | None = math.inf) -> bool:
        """Whether anything was decided about this user, this token or all tokens at `since` or later, also if
        access was restored afterwards; or earlier, if that refuses the token, which was issued at `issued`.
        """
        entries = (self._users, subject), (self._tokens, fingerprint), (self._all, "")
        if self.refuses(subject, issued, fingerprint) or since <= self._dropped_until:
            return True
        for by_origin, name in entries:
            for orders in by_origin:
                if name in orders and max(orders[name]) >= since:
                    return True
        return False

    def supersedes(self, revocation: Revocation) -> bool:
        """Whether a later one of the same key is in force."""
        current = self._kind(revocation).orders.get(revocation.name)
        return current is not None and current > revocation.order

    def has(self, revocation: Revocation) -> bool:
        """Whether it, or a later one of the same key, is an entry."""
        current = self._kind(revocation).orders.get(revocation.name)
        return current is not None and current >= revocation.order

    def reaches(self, revocation: Revocation, later: float = 0.0) -> bool:
        """Whether a token that it concerns may still be valid, or was less than `later` seconds ago."""
        return max(revocation.order) + self._reach + later > self._clock()

    def drop(self, most: int) -> int:
        """Looks at `most` entries of each kind, and drops those that no token can reach; how many it saw."""
        now = self._clock()
        visited_before = self.visited
        for kind in self._kinds.values():
            for _ in range(most):
                self._drop_first(kind, now)
        return self.visited - visited_before

    def entries(self) -> Iterator[Revocation]:
        """All entries, restored ones too."""
        return _entries({key: kind.orders for key, kind in self._kinds.items()})

    def unfound(self) -> "Unfound":
        """All entries of now, from which those are taken that are found in a store."""
        return Unfound({key: dict(kind.orders) for key, kind in self._kinds.items()})

    def _by_origin(self, target: Target) -> "tuple[dict[str, tuple[float, float]], ...]":
        """The entries about `target`, one mapping for each origin."""
        return tuple(self._kinds[target, origin].orders for origin in Origin)

    def _kind(self, revocation: Revocation) -> "_Kind":
        return self._kinds[revocation.target, revocation.origin]

    def _drop_first(self, kind: "_Kind", now: float) -> None:
        if not kind.due or kind.due[0][0] > now:
            return
        self.visited += 1
        _, name = kind.due[0]
        order = kind.orders[name]
        if max(order) + self._reach > now:  # it was changed meanwhile
            heapq.heapreplace(kind.due, (max(order) + self._reach, name))
            return
        heapq.heappop(kind.due)
        del kind.orders[name]
        self._note_dropped(order)

    def _note_dropped(self, order: tuple[float, float]) -> None:
        if order[1] != _RESTORED:
            self._dropped_until = max(self._dropped_until, *order)


class Unfound:
    """The entries of one moment that were not found since, or only in an earlier state."""

    def __init__(self, orders: "_Orders") -> None:
        self._orders = orders

    def found(self, revocation: Revocation) -> None:
        """Takes it out, if it is the entry or a later one."""
        orders = self._orders[revocation.target, revocation.origin]
        order = orders.get(revocation.name)
        if order is not None and order <= revocation.order:
            del orders[revocation.name]

    def entries(self) -> Iterator[Revocation]:
        """The entries that were not found."""
        return _entries(self._orders)


_Orders: TypeAlias = Mapping[tuple[Target, Origin], dict[str, tuple[float, float]]]


def _entries(orders: _Orders) -> Iterator[Revocation]:
    for (target, origin), named in orders.items():
        for name, (changed_at, ended_at) in named.items():
            until = None if ended_at == _RESTORED else ended_at
            yield Revocation(target, name, origin, until, changed_at)


class _Kind:
    """The latest decision about each name, of one target and origin.

    Entries are tuples of texts and numbers, which the garbage collector does not visit: a list may have a
    million. `due` is a heap with one item for each entry: a time before which it stays, and its name.
    """

    def __init__(self) -> None:
        self.orders: dict[str, tuple[float, float]] = {}
        self.due: list[tuple[float, str]] = []
