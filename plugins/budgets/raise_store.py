"""Raises of limits in the database of conversations: asked once, and decided once, over all processes.

An approved one counts. It is one row, so that no decision and no process counts it twice.
"""

from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Final

from agent.conversations.approval_rows import available
from agent.conversations.database.database import Database, Row, Transaction, Value, query
from agent.conversations.encryption.encryption import Encryption
from agent.conversations.thread import owner_digest
from graph.approvals.record import ApprovalState, ApprovalStatus, Approver
from graph.error_codes import invalid_approval
from identity.errors import ConfigurationError
from identity.observation.request_context import DEVICE
from plugins.budgets.limit_raise import LimitRaise, decoded, encoded, raise_of

_COLUMNS: Final = "id, day, owner, budget, approvers, status, body"
_MOST_GROUPS: Final = 200
"""Groups of one approver that are looked at."""
_MOST_LISTED: Final = 200
"""Open questions that one approver sees."""


@dataclass(frozen=True, slots=True)
class RaiseStore:
    """The questions of all days that are kept. Who asked and decided, the amount and the status are sealed: a
    row that another program has written or moved is refused.

    If the database cannot be used, every method raises `UnavailableError` (`approval_unavailable`).
    """

    database: Database
    encryption: Encryption

    async def add(self, state: ApprovalState) -> bool:
        """Adds a question, unless its limit has one on its day; then false."""
        request = state.request
        record = raise_of(request)
        owner = owner_digest(request.principal)
        body = self.encryption.seal(encoded(state), *_place(owner, request.id))
        sql = (
            f"INSERT INTO budget_raises ({_COLUMNS}) VALUES (?, ?, ?, ?, ?, ?, ?)"  # noqa: S608 - constants
            " ON CONFLICT (id) DO NOTHING RETURNING id"
        )
        values = (request.id, record.day, owner, record.budget, request.approvers, state.status.value, body)
        async with available():
            return bool(await self.database.write(lambda: query(sql, *values)))

    async def get(self, question_id: str) -> ApprovalState | None:
        """The question of this id."""
        states = await self._read("id = ?", question_id)
        return states[0] if states else None

    async def asked_of(self, approver: Approver, day: str) -> Sequence[ApprovalState]:
        """The open questions of `day` to a group of `approver`, or to them, the oldest first."""
        groups = approver.addressed_as[:_MOST_GROUPS]
        names = ", ".join("?" * len(groups))
        condition = (
            f"day = ? AND status = 'open' AND owner <> ? AND approvers IN ({names}) LIMIT {_MOST_LISTED}"
        )
        states = await self._read(condition, day, owner_digest(approver.principal), *groups)
        return sorted(states, key=lambda state: state.request.created_at)

    async def of_day(self, day: str) -> Sequence[ApprovalState]:
        """All that are open on `day`, or count, for operators."""
        return await self._read("day = ? AND status IN ('open', 'approved') ORDER BY id", day)

    def counted(self, day: str, budget: str) -> Transaction[list[LimitRaise]]:
        """The raises that count on `day` for those who are counted under `budget`; none that was changed."""
        condition = "day = ? AND budget = ? AND status = 'approved'"
        rows = yield from query(_selected(condition), day, budget)
        raises: list[LimitRaise] = []
        for row in rows:
            with suppress(ConfigurationError):  # the log says so
                raises.append(raise_of(self._state(row).request))
        return raises

    async def decide(self, question_id: str, approver: Approver, *, approved: bool, at: float) -> None:
        """`ApprovalState.decided` by an approver, about the raise as it was asked, once: from then on it
        counts. Raises `ApprovalError`, also if there is no such question.
        """
        device = DEVICE.get()  # here, because a database may do its work in another thread

        def decided(state: ApprovalState) -> ApprovalState:
            return state.decided(approved=approved, at=at, approver=approver, device=device)

        await self._change(question_id, decided)

    async def withdraw(self, question_id: str) -> None:
        """Ends one that is open or counts. Raises `ApprovalError` for every other."""

        def withdrawn(state: ApprovalState) -> ApprovalState:
            if state.status not in (ApprovalStatus.OPEN, ApprovalStatus.APPROVED):
                raise invalid_approval("the raise does not count")
            return ApprovalState(state.request, ApprovalStatus.WITHDRAWN)

        await self._change(question_id, withdrawn)

    async def _change(self, question_id: str, by: Callable[[ApprovalState], ApprovalState]) -> None:
        def work() -> Transaction[None]:
            # An update locks the row in every database.
            locked = f"UPDATE budget_raises SET status = status WHERE id = ? RETURNING {_COLUMNS}"  # noqa: S608 - constants
            rows = yield from query(locked, question_id)
            if not rows:
                raise invalid_approval("there is no such question")
            changed = by(self._state(rows[0]))
            owner = owner_digest(changed.request.principal)
            body = self.encryption.seal(encoded(changed), *_place(owner, question_id))
            sql = "UPDATE budget_raises SET status = ?, body = ? WHERE id = ?"
            yield from query(sql, changed.status.value, body, question_id)

        async with available():
            await self.database.write(work, durable=True)

    async def _read(self, condition: str, *values: Value) -> list[ApprovalState]:
        async with available():
            rows = await self.database.read(lambda: query(_selected(condition), *values))
            return [self._state(row) for row in rows]

    def _state(self, row: Row) -> ApprovalState:
        question_id, day, owner, budget, approvers, status, body = row
        state = decoded(question_id, self.encryption.open(body, *_place(owner, question_id)))
        record = raise_of(state.request)
        in_clear = day, budget, approvers, status
        if in_clear != (record.day, record.budget, state.request.approvers, state.status.value):
            raise self.encryption.refusal("the raise of a budget was changed")
        return state


def _place(owner: str, question_id: str) -> tuple[str, str, str]:
    return "raise", owner, question_id


def _selected(condition: str) -> str:
    return f"SELECT {_COLUMNS} FROM budget_raises WHERE {condition}"  # noqa: S608 - constants
