"""Approvals in the database of conversations: decided once and used once, over all processes."""

from collections.abc import Callable, Collection, Sequence
from typing import Any, Final

from agent.conversations.approval_rows import OF_RUNS, ApprovalRows, available
from agent.conversations.database.database import Database, Transaction, query
from agent.conversations.encryption.encryption import Encryption
from agent.conversations.run_fence import SqlRunFence
from agent.conversations.thread import owner_digest
from graph.approvals.record import ApprovalRequest, ApprovalState, Approver
from graph.context import Conversation
from graph.error_codes import invalid_approval
from identity.observation.request_context import DEVICE
from identity.principal import Principal

_CHANGED_BY_OWNER: Final = "id = ? AND owner = ?"
_MOST_GROUPS: Final = 200
"""Groups of one approver that are looked at."""
_MOST_ASKED: Final = 200
"""Open questions to approvers that one of them sees."""


class SqlApprovalStore:
    """An `InboxStore` of the questions of runs. A decision and a use are on disk when they return: they
    outlast a failure of power. What is in clear, and what is sealed: `ApprovalRows`.

    With a `fence`, runs that this process executes use approvals, and no others.
    """

    def __init__(self, database: Database, encryption: Encryption, fence: SqlRunFence | None = None) -> None:
        self.rows: Final = ApprovalRows(database, encryption)
        self._fence: Final = fence

    async def open(self, request: ApprovalRequest) -> ApprovalState:

        def work() -> Transaction[ApprovalState]:
            if (yield from self.rows.added(ApprovalState(request))):
                replaced = lambda state: state.replaced_by(request)  # noqa: E731 - one of two
                yield from self._undecided(request.principal, request.thread_id, replaced)
            stored = yield from self._found(request.principal, request.id)
            if stored is None:
                raise invalid_approval("the id is of another principal's approval")
            return stored

        async with available():
            return await self.rows.database.write(work)

    async def get(self, approval_id: str, principal: Principal) -> ApprovalState | None:
        async with available():
            return await self.rows.database.read(lambda: self._found(principal, approval_id))

    async def find(self, approval_ids: Collection[str], principal: Principal) -> Sequence[ApprovalState]:
        """The approvals of `principal` with one of these ids, read at once."""
        ids = ", ".join("?" * len(approval_ids))
        condition = f"owner = ? AND id IN ({ids})"
        return await self.rows.read(principal, condition, owner_digest(principal), *approval_ids)

    async def decide(
        self, approval_id: str, principal: Principal, *, approved: bool, digest: str | None, at: float
    ) -> ApprovalState:
        about = {"approved": approved, "digest": digest, "at": at}
        owner = owner_digest(principal)
        return await self._decided(principal, _CHANGED_BY_OWNER, approval_id, owner, about=about)

    async def asked_of(self, approver: Approver, at: float) -> Sequence[ApprovalState]:
        groups = approver.addressed_as[:_MOST_GROUPS]
        names = ", ".join("?" * len(groups))
        place = "ROW_NUMBER() OVER (PARTITION BY owner ORDER BY created_at, id) AS place"
        waiting = f"status = 'open' AND expires_at > ? AND owner <> ? AND approvers IN ({names})"
        asked = f"SELECT id, created_at, {place} FROM approvals WHERE {waiting}"  # noqa: S608 - placeholders
        fair = f"SELECT id FROM ({asked}) AS asked ORDER BY place, created_at, id LIMIT {_MOST_ASKED}"  # noqa: S608 - constants
        condition = f"id IN ({fair}) ORDER BY created_at, id"
        states = await self.rows.read(None, condition, at, owner_digest(approver.principal), *groups)
        requests = ((state, state.request) for state in states)
        return [state for state, of in requests if approver.may_approve(of.principal, of.approvers or "")]

    async def decide_for(
        self, approval_id: str, approver: Approver, *, approved: bool, at: float
    ) -> ApprovalState:
        about = {"approved": approved, "at": at, "approver": approver}
        return await self._decided(None, "id = ? AND approvers IS NOT NULL", approval_id, about=about)

    async def _decided(
        self, principal: Principal | None, condition: str, *values: str, about: dict[str, Any]
    ) -> ApprovalState:
        device = DEVICE.get()  # here, because a database may do its work in another thread
        decided = lambda state: state.decided(**about, device=device)  # noqa: E731 - one of several
        return await self.rows.change(principal, condition, *values, by=decided)

    async def use(
        self, approval_id: str, principal: Principal, digest: str, at: float, run: Conversation | None = None
    ) -> None:
        used = lambda state: state.used(digest, at)  # noqa: E731 - one of several
        held = self.held(principal, run)
        owner = owner_digest(principal)
        await self.rows.change(principal, _CHANGED_BY_OWNER, approval_id, owner, by=used, before_end=held)

    def held(self, principal: Principal, run: Conversation | None) -> Callable[[], Transaction[None]]:
        """The end of a transaction that uses an approval: `SqlRunFence.held`, if there is a fence."""

        def work() -> Transaction[None]:
            if self._fence is None:
                return
            if run is None:
                raise invalid_approval("only a run of a conversation uses approvals")
            yield from self._fence.held(principal, run)

        return work

    async def pending(self, principal: Principal, thread_id: str | None = None) -> Sequence[ApprovalState]:
        which, values = ("", ()) if thread_id is None else (" AND thread_id = ?", (thread_id,))
        condition = f"owner = ? AND status = 'open'{which} ORDER BY created_at, id"
        return await self.rows.read(principal, condition, owner_digest(principal), *values)

    async def latest(self, principal: Principal, thread_id: str) -> ApprovalState | None:
        """The approval of the thread that `principal` was asked for last, in any status."""
        condition = "owner = ? AND thread_id = ? ORDER BY created_at DESC, id LIMIT 1"
        states = await self.rows.read(principal, condition, owner_digest(principal), thread_id)
        return states[0] if states else None

    async def of_thread(self, principal: Principal, thread_id: str) -> Sequence[ApprovalState]:
        """All that `principal` was asked in the thread, in any status, the oldest first."""
        condition = "owner = ? AND thread_id = ? ORDER BY created_at, id"
        return await self.rows.read(principal, condition, owner_digest(principal), thread_id)

    async def recent(self, principal: Principal, since: float) -> Sequence[ApprovalState]:
        """The newest 50 that `principal` was asked since then, in any status, the newest first."""
        condition = "owner = ? AND created_at >= ? ORDER BY created_at DESC, id LIMIT 50"
        return await self.rows.read(principal, condition, owner_digest(principal), since)

    async def count_open(self, since: float) -> int:
        """How many that were asked after `since`, of all principals, wait."""
        waiting = f"{OF_RUNS} AND status = 'open' AND created_at > ?"
        sql = f"SELECT count(*) FROM approvals WHERE {waiting}"  # noqa: S608 - constants
        async with available():
            [[number]] = await self.rows.database.read(lambda: query(sql, since))
            return int(number)

    async def withdraw(
        self, principal: Principal, thread_id: str, at: float, *, call_id: str | None = None
    ) -> None:

        def withdrawn(state: ApprovalState) -> ApprovalState:
            return state.withdrawn(at) if call_id in (None, state.request.call_id) else state

        async with available():
            await self.rows.database.write(
                lambda: self._undecided(principal, thread_id, withdrawn), durable=True
            )

    def _undecided(
        self, principal: Principal, thread_id: str, change: Callable[[ApprovalState], ApprovalState]
    ) -> Transaction[None]:
        """Changes the approvals of the thread that are open, or approved and not used."""
        condition = "owner = ? AND thread_id = ? AND status IN ('open', 'approved')"
        states = yield from self.rows.locked(principal, condition, owner_digest(principal), thread_id)
        for state in states:
            if (changed := change(state)) != state:
                yield from self.rows.stored(changed)

    def _found(self, principal: Principal, approval_id: str) -> Transaction[ApprovalState | None]:
        owner = owner_digest(principal)
        states = yield from self.rows.found(principal, "owner = ? AND id = ?", owner, approval_id)
        return states[0] if states else None
