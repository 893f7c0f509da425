"""Counts calls before they are made: how many of a tool a user has made today, and the sum of one argument.

A call is entered first, and then decided with itself in the count: of calls in several processes at once,
each sees those that were entered before it, so that no sum of permitted calls exceeds a limit. A call that is
not permitted, or that was certainly not sent, is taken out again by what has entered it; one of which that is
not known stays.
"""

import hashlib
import json
import logging
import secrets
from dataclasses import dataclass, field, replace
from datetime import date, timedelta
from typing import Final, Self

from cachetools import LRUCache

from agent.conversations.database.database import Database, Transaction, query
from agent.conversations.encryption.encryption import Encryption
from agent.conversations.thread import owner_digest
from graph.approvals.pending_call import PendingCall
from graph.approvals.policy import Allow, Decision
from identity.errors import ConfigurationError, UnavailableError
from identity.principal import Principal
from plugins.policy.schema import ten_thousandths

_LOG: Final = logging.getLogger("idaas_agent.policy")
_KEPT: Final = timedelta(days=2)
_REMEMBERED: Final = 10_000
"""Counts of a process, by user, tool and day."""
_MAX_AMOUNT: Final = 10**15
"""The largest number of one call, in ten-thousandths: a sum of thousands of calls is still a decimal."""
UNCOUNTED: Final = (
    "not run: the amount of the call cannot be counted: it must be 0 or more, with four digits at most"
)


@dataclass(frozen=True, slots=True)
class CountedCall:
    """One call of `tool` by a user on `day`, the operator's. `amount` is in ten-thousandths, 0 or more.

    `id` is the call's: entered twice, it counts once. Then it is not `added`, because it may have been sent
    where it was. `calls` and `total` are those of the day, once it was entered.
    """

    id: str
    principal: Principal
    tool: str
    day: date
    amount: int
    added: bool = False
    calls: int = 0
    total: int = 0

    @classmethod
    def of(cls, pending: PendingCall, day: date, argument: str | None) -> Self:
        """That of a call, which has one id in every process, unless its conversation is not kept. Raises
        `ValueError` if `argument` is an amount that cannot be counted.
        """
        amount = 0 if argument is None else ten_thousandths(pending.call["args"].get(argument))
        if not 0 <= amount <= _MAX_AMOUNT:
            raise ValueError("an amount is negative or too large")
        tool = pending.name
        call_id = secrets.token_hex(16)
        if pending.conversation is not None:
            about = [pending.conversation.run_id, pending.response_id, pending.call["id"], tool]
            known_by = json.dumps([pending.principal.issuer, pending.principal.subject, *about])
            call_id = hashlib.sha256(known_by.encode()).hexdigest()[:32]
        return cls(call_id, pending.principal, tool, day, amount)

    @property
    def key(self) -> tuple[str, str, str]:
        """The key of what is counted together. Of the principal only the digest is stored."""
        return owner_digest(self.principal), self.tool, self.day.isoformat()

    @property
    def count_id(self) -> str:
        """The id of what is counted together."""
        return hashlib.sha256(json.dumps(self.key).encode()).hexdigest()[:32]


@dataclass(frozen=True, slots=True)
class _Count:
    """The calls of a day. `change` is larger after each change, so that an older count is recognized."""

    calls: int = 0
    amount: int = 0
    change: int = 0

    def with_(self, calls: int, amount: int) -> "_Count":
        """After these calls; fewer if they are negative."""
        return _Count(max(0, self.calls + calls), max(0, self.amount + amount), self.change + 1)


@dataclass(frozen=True, slots=True)
class CallCounters:
    """In the database of conversations, over all processes.

    What counts is sealed (`day_counts`, and `body` of `counted_calls`): changed, or moved to another tool or
    user, it is refused. A count that was deleted or put back is replaced by what this process remembers of
    it; a process that has not counted for this user and tool before cannot know. `call_totals` is in clear,
    for processes of the release before, which know no other: a larger number in it counts, too.
    """

    database: Database
    encryption: Encryption = field(default_factory=Encryption)
    _remembered: LRUCache[str, _Count] = field(default_factory=lambda: LRUCache(_REMEMBERED))

    async def enter(self, entry: CountedCall) -> CountedCall:
        """Adds the call, on disk when it returns. Raises `UnavailableError`, also for a forged count."""

        def work() -> Transaction[tuple[bool, _Count]]:
            added = yield from self._added(entry)
            calls, amount = (1, entry.amount) if added else (0, 0)
            # The row of the total is locked until the transaction ends, in every database.
            [(calls_in_clear, amount_in_clear)] = yield from query(
                "INSERT INTO call_totals (owner, tool, day, calls, amount) VALUES (?, ?, ?, ?, ?)"
                " ON CONFLICT (day, owner, tool) DO UPDATE SET calls = call_totals.calls + excluded.calls,"
                " amount = call_totals.amount + excluded.amount RETURNING calls, amount",
                *(*entry.key, calls, amount),
            )
            before = yield from self._read(entry)
            after = before.with_(calls, amount)
            after = _Count(
                max(after.calls, int(calls_in_clear)), max(after.amount, int(amount_in_clear)), after.change
            )
            yield from self._write(entry, after)
            if added and before == _Count():
                oldest = (entry.day - _KEPT).isoformat()
                for table in ("counted_calls", "call_totals", "day_counts"):
                    yield from query(f"DELETE FROM {table} WHERE day < ?", oldest)  # noqa: S608 - constants
            return added, after

        try:
            added, count = await self.database.write(work, durable=True)
        except ConfigurationError as error:
            raise UnavailableError(error.code, error.detail) from None
        self._remembered[entry.count_id] = count
        return replace(entry, added=added, calls=count.calls, total=count.amount)

    async def settled(self, entry: CountedCall, decision: Decision) -> Decision:
        """`decision`, with which the call stays counted only if it is made, here or where it was added."""
        if entry.added and isinstance(decision, Allow):
            return replace(decision, release=lambda: self.release(entry))
        if entry.added:
            await self.release(entry)
        return decision

    async def release(self, entry: CountedCall) -> None:
        """Removes the call, which was not sent; if that fails, it stays counted until the day ends."""

        def work() -> Transaction[_Count | None]:
            removed = yield from query("DELETE FROM counted_calls WHERE id = ? RETURNING 1", entry.id)
            if not removed:
                return None
            yield from query(
                "UPDATE call_totals SET calls = calls - 1, amount = amount - ?"
                " WHERE owner = ? AND tool = ? AND day = ?",
                *(entry.amount, *entry.key),
            )
            before = yield from self._read(entry)
            after = before.with_(-1, -entry.amount)
            yield from self._write(entry, after)
            return after

        try:
            count = await self.database.write(work)
        except (UnavailableError, ConfigurationError) as error:
            _LOG.warning("a call that was not made stays counted: %s", error.detail)
            return
        if count is not None:
            self._remembered[entry.count_id] = count

    def _added(self, entry: CountedCall) -> Transaction[bool]:
        """Enters the call once: false if it was entered before, by a process that has the key."""
        owner, *_ = entry.key
        place = "counted", owner, entry.id
        sealed = self.encryption.seal(str(entry.amount).encode(), *place)
        added = yield from query(
            "INSERT INTO counted_calls (id, owner, tool, day, amount, body) VALUES (?, ?, ?, ?, ?, ?)"
            " ON CONFLICT (id) DO NOTHING RETURNING 1",
            *(entry.id, *entry.key, entry.amount, sealed),
        )
        if added:
            return True
        rows = yield from query("SELECT body FROM counted_calls WHERE id = ?", entry.id)
        if not rows:  # taken out meanwhile, by what had entered it
            return (yield from self._added(entry))
        [(body,)] = rows
        if body is None:
            yield from query("UPDATE counted_calls SET body = ? WHERE id = ?", sealed, entry.id)
            return True
        self.encryption.open(body, *place)
        return False

    def _read(self, entry: CountedCall) -> Transaction[_Count]:
        """The count before a change, whose row in `call_totals` is locked. Raises `ConfigurationError`."""
        owner, _, day = entry.key
        rows = yield from query("SELECT body FROM day_counts WHERE day = ? AND id = ?", day, entry.count_id)
        stored = _Count()
        if rows:
            opened = self.encryption.open(rows[0][0], "count", owner, entry.count_id)
            stored = _Count(**json.loads(opened))
        remembered = self._remembered.get(entry.count_id, stored)
        if remembered.change <= stored.change:
            return stored
        _LOG.error("a count of today is older than this process remembers, and is replaced: %s", entry.tool)
        return remembered

    def _write(self, entry: CountedCall, count: _Count) -> Transaction[None]:
        owner, _, day = entry.key
        text = json.dumps({"calls": count.calls, "amount": count.amount, "change": count.change})
        sealed = self.encryption.seal(text.encode(), "count", owner, entry.count_id)
        yield from query(
            "INSERT INTO day_counts (id, owner, day, body) VALUES (?, ?, ?, ?)"
            " ON CONFLICT (day, id) DO UPDATE SET body = excluded.body",
            *(entry.count_id, owner, day, sealed),
        )
