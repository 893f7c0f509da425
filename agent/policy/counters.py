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
from dataclasses import dataclass, replace
from datetime import date, timedelta
from typing import Final, Self

from agent.conversations.database.database import Database, Transaction, query
from agent.conversations.thread import owner_of
from agent.policy.schema import ten_thousandths
from graph.approvals.pending_call import PendingCall
from graph.approvals.policy import Allow, Decision
from identity.errors import UnavailableError
from identity.principal import Principal

_LOG: Final = logging.getLogger("idaas_agent.policy")
_KEPT: Final = timedelta(days=2)
_MAX_AMOUNT: Final = 10**15
"""Of one call, in ten-thousandths: a sum of thousands of calls is still a decimal."""
UNCOUNTED: Final = (
    "not run: the amount of the call cannot be counted: it must be 0 or more, with four digits at most"
)


@dataclass(frozen=True, slots=True)
class Entry:
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
        tool, call_id = pending.name, secrets.token_hex(16)
        if pending.conversation is not None:
            about = [pending.conversation.run_id, pending.response.id, pending.call["id"], tool]
            known_by = json.dumps([pending.principal.issuer, pending.principal.subject, *about])
            call_id = hashlib.sha256(known_by.encode()).hexdigest()[:32]
        return cls(call_id, pending.principal, tool, day, amount)

    @property
    def key(self) -> tuple[str, str, str]:
        """What is counted together. Of the principal only the digest is stored."""
        return owner_of(self.principal), self.tool, self.day.isoformat()


@dataclass(frozen=True, slots=True)
class CallCounters:
    """In the database of conversations, over all processes."""

    database: Database

    async def enter(self, entry: Entry) -> Entry:
        """Adds the call, on disk when it returns. Raises `UnavailableError`."""

        def work() -> Transaction[Entry]:
            added = yield from query(
                "INSERT INTO counted_calls (id, owner, tool, day, amount) VALUES (?, ?, ?, ?, ?)"
                " ON CONFLICT (id) DO NOTHING RETURNING 1",
                *(entry.id, *entry.key, entry.amount),
            )
            # The row of the total is locked until the transaction ends, in every database.
            [(calls, amount)] = yield from query(
                "INSERT INTO call_totals (owner, tool, day, calls, amount) VALUES (?, ?, ?, ?, ?)"
                " ON CONFLICT (day, owner, tool) DO UPDATE SET calls = call_totals.calls + excluded.calls,"
                " amount = call_totals.amount + excluded.amount RETURNING calls, amount",
                *(*entry.key, *((1, entry.amount) if added else (0, 0))),
            )
            if added and calls == 1:
                before = (entry.day - _KEPT).isoformat()
                yield from query("DELETE FROM counted_calls WHERE day < ?", before)
                yield from query("DELETE FROM call_totals WHERE day < ?", before)
            return replace(entry, added=bool(added), calls=int(calls), total=int(amount))

        return await self.database.write(work, durable=True)

    async def settled(self, entry: Entry, decision: Decision) -> Decision:
        """`decision`, with which the call stays counted only if it is made, here or where it was added."""
        if entry.added and isinstance(decision, Allow):
            return replace(decision, take_back=lambda: self.take_back(entry))
        if entry.added:
            await self.take_back(entry)
        return decision

    async def take_back(self, entry: Entry) -> None:
        """Removes the call, which was not sent; if that fails, it stays counted until the day ends."""

        def work() -> Transaction[None]:
            removed = yield from query("DELETE FROM counted_calls WHERE id = ? RETURNING amount", entry.id)
            for (amount,) in removed:
                yield from query(
                    "UPDATE call_totals SET calls = calls - 1, amount = amount - ?"
                    " WHERE owner = ? AND tool = ? AND day = ?",
                    *(amount, *entry.key),
                )

        try:
            await self.database.write(work)
        except UnavailableError as error:
            _LOG.warning("a call that was not made stays counted: %s", error.detail)
