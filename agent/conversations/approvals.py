"""Approvals in the database of conversations: decided once and used once, over all processes."""

import json
from collections.abc import AsyncGenerator, Callable, Collection, Sequence
from contextlib import asynccontextmanager
from dataclasses import astuple, dataclass
from typing import Any, Final

from agent.conversations.database.database import Database, Row, Transaction, query
from agent.conversations.encryption.encryption import Encryption
from agent.conversations.message_json import encoded
from agent.conversations.run_fence import SqlRunFence
from agent.conversations.stored_request import members_of, request_of
from agent.conversations.thread import owner_digest
from agent.errors.error_codes import AgentCode
from graph.approvals.prepared_run import client_of
from graph.approvals.record import ApprovalRequest, ApprovalState, ApprovalStatus, Approver
from graph.context import Conversation
from graph.error_codes import GraphCode, invalid_approval
from identity.errors import ConfigurationError, ErrorCode, LimitError, UnavailableError
from identity.observation.request_context import DEVICE
from identity.principal import Principal

_COLUMNS: Final = "id, owner, thread_id, status, approvers, prepared_by, body, state"
_MOST_GROUPS: Final = 200
"""Groups of one approver that are looked at."""
_MOST_ASKED: Final = 200
"""Open questions to approvers that one of them sees."""


@dataclass(frozen=True, slots=True)
class PreparedLimits:
    """How many prepared runs may wait: of one client, for one user, and of one client for one user."""

    of_client: int
    of_user: int
    of_pair: int


@dataclass(frozen=True, slots=True)
class SqlApprovalStore:
    """An `InboxStore`. A decision and a use are on disk when they return: they outlast a failure of power.

    Of a request, its identifier, thread, status and time are in clear. Request and state are sealed: a status
    that another program has written is refused. Of the principal only the digest is stored.

    With a `fence`, runs that this process executes use approvals, and no others.
    """

    _database: Database
    _encryption: Encryption
    _fence: SqlRunFence | None = None

    async def open(self, request: ApprovalRequest) -> ApprovalState:

        def work() -> Transaction[ApprovalState]:
            if (yield from self.added(ApprovalState(request))):
                replaced = lambda state: state.replaced_by(request)  # noqa: E731 - one of two
                yield from self._undecided(request.principal, request.thread_id, replaced)
            stored = yield from self._found(request.principal, request.id)
            if stored is None:
                raise invalid_approval("the id is of another principal's approval")
            return stored

        async with available():
            return await self._database.write(work)

    def added(self, state: ApprovalState) -> Transaction[bool]:
        """Adds an approval, unless one of its id exists; then false."""
        request = state.request
        owner = owner_digest(state.request.principal)
        place = "request", owner, request.thread_id, request.id
        body = self._encryption.seal(encoded(members_of(request)), *place)
        added = yield from query(
            "INSERT INTO approvals (id, owner, thread_id, status, created_at, body, state, approvers,"
            " prepared_by, expires_at) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT (id) DO NOTHING"
            " RETURNING id",
            *(request.id, owner, request.thread_id, state.status.value, request.created_at),
            *(body, self._sealed(owner, state), request.approvers, _preparer(request), request.expires_at),
        )
        return bool(added)

    async def get(self, approval_id: str, principal: Principal) -> ApprovalState | None:
        async with available():
            return await self._database.read(lambda: self._found(principal, approval_id))

    async def find(self, approval_ids: Collection[str], principal: Principal) -> Sequence[ApprovalState]:
        """The approvals of `principal` with one of these ids, read at once."""
        ids = ", ".join("?" * len(approval_ids))
        return await self._read(
            principal, f"owner = ? AND id IN ({ids})", owner_digest(principal), *approval_ids
        )

    async def decide(
        self, approval_id: str, principal: Principal, *, approved: bool, digest: str | None, at: float
    ) -> ApprovalState:
        return await self._decided(approval_id, principal, approved=approved, digest=digest, at=at)

    async def asked_of(self, approver: Approver, at: float) -> Sequence[ApprovalState]:
        groups = approver.addressed_as[:_MOST_GROUPS]
        names = ", ".join("?" * len(groups))
        place = "ROW_NUMBER() OVER (PARTITION BY owner ORDER BY created_at, id) AS place"
        waiting = f"status = 'open' AND expires_at > ? AND owner <> ? AND approvers IN ({names})"
        asked = f"SELECT id, created_at, {place} FROM approvals WHERE {waiting}"  # noqa: S608 - placeholders
        fair = f"SELECT id FROM ({asked}) AS asked ORDER BY place, created_at, id LIMIT {_MOST_ASKED}"  # noqa: S608 - constants
        condition = f"id IN ({fair}) ORDER BY created_at, id"
        states = await self._read(None, condition, at, owner_digest(approver.principal), *groups)
        requests = ((state, state.request) for state in states)
        return [state for state, of in requests if approver.may_approve(of.principal, of.approvers or "")]

    async def decide_for(
        self, approval_id: str, approver: Approver, *, approved: bool, at: float
    ) -> ApprovalState:
        return await self._decided(approval_id, None, approved=approved, at=at, approver=approver)

    async def _decided(self, approval_id: str, principal: Principal | None, **about: Any) -> ApprovalState:  # noqa: ANN401 - of any type
        about["device"] = DEVICE.get()  # here, because a database may do its work in another thread
        return await self._changed(approval_id, principal, lambda state: state.decided(**about))

    async def use(
        self, approval_id: str, principal: Principal, digest: str, at: float, run: Conversation | None = None
    ) -> None:
        used = lambda state: state.used(digest, at)  # noqa: E731 - one of several
        await self._changed(approval_id, principal, used, before_end=self.held(principal, run))

    def held(self, principal: Principal, run: Conversation | None) -> Callable[[], Transaction[None]]:
        """The end of a transaction that uses an approval: `SqlRunFence.held`, if there is a fence."""

        def work() -> Transaction[None]:
            if self._fence is None:
                return
            if run is None:
                raise invalid_approval("only a run of a conversation uses approvals")
            yield from self._fence.held(principal, run)

        return work

    async def prepare(self, request: ApprovalRequest, limits: PreparedLimits) -> ApprovalState | None:
        """Adds a prepared run, or returns the one of its id. Raises `LimitError` if as many wait as `limits`
        allow.
        """
        client = _preparer(request)
        user = owner_digest(request.principal)
        now = request.created_at
        waiting_of = "SELECT count(*) FROM approvals WHERE status = 'open' AND expires_at > ? AND prepared_by"

        def adding() -> Transaction[ApprovalState | None]:
            if not (yield from self.added(ApprovalState(request))):
                sql = f"SELECT {_COLUMNS} FROM approvals WHERE id = ?"  # noqa: S608 - constants
                return self._state(None, (yield from query(sql, request.id))[0])
            of_client = yield from query(f"{waiting_of} = ?", now, client)
            of_user = yield from query(f"{waiting_of} IS NOT NULL AND owner = ?", now, user)
            of_pair = yield from query(f"{waiting_of} = ? AND owner = ?", now, client, user)
            counts = (of_client, limits.of_client), (of_user, limits.of_user), (of_pair, limits.of_pair)
            for [[waiting]], most in counts:
                if waiting > most:  # with this one, which is not kept then
                    raise LimitError(AgentCode.TOO_MANY_RUNS, f"{most} prepared runs wait")
            return None

        async with available():
            return await self._database.write(adding, durable=True)

    async def prepared(self, client: Principal) -> Sequence[ApprovalState]:
        """The newest 1,000 that `client` prepared, in any status."""
        condition = "prepared_by = ? ORDER BY created_at DESC, id LIMIT 1000"
        return await self._read(None, condition, owner_digest(client))

    async def waiting_for(self, user: Principal, at: float) -> Sequence[ApprovalState]:
        """The runs prepared for `user` that are open at `at`, the oldest first; `prepare` limits them."""
        condition = "prepared_by IS NOT NULL AND owner = ? AND status = 'open' AND expires_at > ?"
        return await self._read(None, f"{condition} ORDER BY created_at, id", owner_digest(user), at)

    async def all_prepared(self, at: float) -> Sequence[ApprovalState]:
        """All that are open, and have not expired at `at`, the newest first, for operators."""
        condition = "prepared_by IS NOT NULL AND status = 'open' AND expires_at > ?"
        return await self._read(None, f"{condition} ORDER BY created_at DESC, id", at)

    async def withdraw_prepared(self, approval_id: str, client: Principal, at: float) -> ApprovalState:
        """Withdraws an open one of `client`. Raises `ApprovalError` for every other."""

        def withdrawn(state: ApprovalState) -> ApprovalState:
            state.require_open(at, Approver(client))
            return state.withdrawn(at)

        return await self._changed(approval_id, None, withdrawn, client)

    async def pending(self, principal: Principal, thread_id: str | None = None) -> Sequence[ApprovalState]:
        which, values = ("", ()) if thread_id is None else (" AND thread_id = ?", (thread_id,))
        which = f"owner = ? AND status = 'open' AND prepared_by IS NULL{which} ORDER BY created_at, id"
        return await self._read(principal, which, owner_digest(principal), *values)

    async def latest(self, principal: Principal, thread_id: str) -> ApprovalState | None:
        """The approval of the thread that `principal` was asked for last, in any status."""
        condition = "owner = ? AND thread_id = ? ORDER BY created_at DESC, id LIMIT 1"
        states = await self._read(principal, condition, owner_digest(principal), thread_id)
        return states[0] if states else None

    async def recent(self, principal: Principal, since: float) -> Sequence[ApprovalState]:
        """The newest 50 that runs have asked `principal` for since then, in any status, the newest first."""
        condition = (
            "owner = ? AND created_at >= ? AND prepared_by IS NULL ORDER BY created_at DESC, id LIMIT 50"
        )
        return await self._read(principal, condition, owner_digest(principal), since)

    async def count_open(self, since: float) -> int:
        """How many questions of runs that were asked after `since`, of all principals, wait."""
        waiting = "status = 'open' AND prepared_by IS NULL AND created_at > ?"
        sql = f"SELECT count(*) FROM approvals WHERE {waiting}"  # noqa: S608 - constants
        async with available():
            [[number]] = await self._database.read(lambda: query(sql, since))
            return int(number)

    async def withdraw(
        self, principal: Principal, thread_id: str, at: float, *, call_id: str | None = None
    ) -> None:

        def withdrawn(state: ApprovalState) -> ApprovalState:
            return state.withdrawn(at) if call_id in (None, state.request.call_id) else state

        async with available():
            await self._database.write(lambda: self._undecided(principal, thread_id, withdrawn), durable=True)

    async def _read(
        self, principal: Principal | None, condition: str, *values: str | float
    ) -> Sequence[ApprovalState]:
        """See `_state` for `principal`."""
        sql = f"SELECT {_COLUMNS} FROM approvals WHERE {condition}"  # noqa: S608 - constants
        async with available():
            return [
                self._state(principal, row) for row in await self._database.read(lambda: query(sql, *values))
            ]

    async def _changed(
        self,
        approval_id: str,
        principal: Principal | None,
        change: Callable[[ApprovalState], ApprovalState],
        client: Principal | None = None,
        *,
        before_end: Callable[[], Transaction[None]] | None = None,
    ) -> ApprovalState:
        """Changes an approval of `principal`, or one prepared by `client`; else, one for approvers. What
        `before_end` raises undoes the change.
        """
        holder = principal or client
        of_others = "prepared_by = ?" if client else "approvers IS NOT NULL"
        condition = "owner = ?" if principal else of_others

        def work() -> Transaction[ApprovalState]:
            # An update locks the row in every database until the transaction ends.
            rows = yield from query(
                f"UPDATE approvals SET status = status WHERE id = ? AND {condition} RETURNING {_COLUMNS}",  # noqa: S608 - constants
                *(approval_id, *(() if holder is None else (owner_digest(holder),))),
            )
            if not rows:
                raise invalid_approval("there is no such approval of this principal")
            changed = change(self._state(principal, rows[0]))
            yield from self._stored(changed.request.principal, changed)
            if before_end is not None:
                yield from before_end()
            return changed

        async with available():
            return await self._database.write(work, durable=True)

    def _undecided(
        self, principal: Principal, thread_id: str, change: Callable[[ApprovalState], ApprovalState]
    ) -> Transaction[None]:
        """Changes the approvals of the thread that are open, or approved and not used."""
        rows = yield from query(
            "UPDATE approvals SET status = status WHERE owner = ? AND thread_id = ?"  # noqa: S608 - constants
            f" AND prepared_by IS NULL AND status IN ('open', 'approved') RETURNING {_COLUMNS}",
            *(owner_digest(principal), thread_id),
        )
        for state in (self._state(principal, row) for row in rows):
            if (changed := change(state)) != state:
                yield from self._stored(principal, changed)

    def _found(self, principal: Principal, approval_id: str) -> Transaction[ApprovalState | None]:
        sql = f"SELECT {_COLUMNS} FROM approvals WHERE id = ? AND owner = ?"  # noqa: S608 - constants
        rows = yield from query(sql, approval_id, owner_digest(principal))
        return self._state(principal, rows[0]) if rows else None

    def _stored(self, principal: Principal, state: ApprovalState) -> Transaction[None]:
        yield from query(
            "UPDATE approvals SET status = ?, state = ? WHERE id = ?",
            *(state.status.value, self._sealed(owner_digest(principal), state), state.request.id),
        )

    def _sealed(self, owner: str, state: ApprovalState) -> bytes:
        members: dict[str, Any] = {"status": state.status, "digest": state.approved_digest}
        members |= {"decided_at": state.decided_at, "device": state.device}
        if (by := state.approver) is not None:
            members["approver"] = [*astuple(by.principal), sorted(by.groups), by.token, by.issued_at]
        place = "state", owner, state.request.thread_id, state.request.id
        return self._encryption.seal(encoded(members), *place)

    def _state(self, principal: Principal | None, row: Row) -> ApprovalState:
        """The state in a row of `principal`; `None`: of whom its sealed request says."""
        approval_id, owner, thread_id, status, approvers, prepared_by, body, sealed = row
        place = owner, thread_id, approval_id
        members = json.loads(self._encryption.open(body, "request", *place))
        asker = members.pop("asker", None)
        principal = principal or Principal(*asker)
        request = request_of(members, id=approval_id, thread_id=thread_id, principal=principal)
        if request.approvers != approvers:
            raise self._encryption.refusal("the approvers of a call were changed")
        if _preparer(request) != prepared_by:
            raise self._encryption.refusal("the client of a prepared run was changed")
        state = json.loads(self._encryption.open(sealed, "state", *place))
        if state["status"] != status:
            raise self._encryption.refusal("the status of an approval was changed")
        by = None
        if (approver := state.get("approver")) is not None:
            issuer, subject, groups, *token = approver
            by = Approver(Principal(issuer, subject), frozenset(groups), *token)
        digest = state["digest"]
        decided_at = state["decided_at"]
        device = state.get("device")
        return ApprovalState(request, ApprovalStatus(status), digest, decided_at, by, device)


def _preparer(request: ApprovalRequest) -> str | None:
    """The name under which the client is stored that prepared the run."""
    by = client_of(request)
    return None if by is None else owner_digest(Principal(request.principal.issuer, by))


@asynccontextmanager
async def available() -> AsyncGenerator[None]:
    """Reports a database that fails as approvals that cannot be read or kept."""
    try:
        yield
    except (UnavailableError, ConfigurationError) as error:
        refused = error.code is AgentCode.CONVERSATION_UNREADABLE
        code: ErrorCode = error.code if refused else GraphCode.APPROVAL_UNAVAILABLE
        raise UnavailableError(code, error.detail) from None
