"""The rows of approvals: each has a request and its state, sealed.

A run asks most of the questions. A program that asks in place of a run has rows of its own, by their column
`prepared_by`: a store of the ones never reads one of the others.
"""

import json
from collections.abc import AsyncGenerator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import astuple, dataclass
from typing import Any, Final

from agent.conversations import stored_request
from agent.conversations.database.database import Database, Row, Transaction, Value, query
from agent.conversations.encryption.encryption import Encryption
from agent.conversations.message_json import encoded
from agent.conversations.thread import owner_digest
from agent.errors.error_codes import AgentCode
from graph.approvals.record import ApprovalRequest, ApprovalState, ApprovalStatus, Approver
from graph.error_codes import GraphCode, invalid_approval
from identity.errors import ConfigurationError, ErrorCode, UnavailableError
from identity.principal import Principal

OF_RUNS: Final = "prepared_by IS NULL"
"""The rows of questions that runs ask."""
OF_PROGRAMS: Final = "prepared_by IS NOT NULL"
"""The rows of questions that a program asks in place of a run. The column has its digest."""
_COLUMNS: Final = "id, owner, thread_id, status, approvers, prepared_by, body, state"


@dataclass(frozen=True, slots=True)
class ApprovalRows:
    """The rows of one kind of asker. Conditions are of SQL, with `?` for each value.

    Of a request, its identifier, thread, status and time are in clear. Request and state are sealed: a status
    that another program has written is refused. Of the principal only the digest is stored, and of a program
    that asks.
    """

    database: Database
    encryption: Encryption
    whose: str = OF_RUNS
    members_of: Callable[[ApprovalRequest], dict[str, Any]] = stored_request.members_of
    """The members of a request that are stored; `prepared_by` is the subject of a program that asks."""
    request_of: Callable[..., ApprovalRequest] = stored_request.request_of
    """The inverse, with the members that have columns."""

    def added(self, state: ApprovalState) -> Transaction[bool]:
        """Adds an approval, unless one of its id exists; then false."""
        request = state.request
        owner = owner_digest(request.principal)
        members = self.members_of(request)
        place = "request", owner, request.thread_id, request.id
        body = self.encryption.seal(encoded(members), *place)
        program = _program(request.principal, members)
        added = yield from query(
            "INSERT INTO approvals (id, owner, thread_id, status, created_at, body, state, approvers,"
            " prepared_by, expires_at) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT (id) DO NOTHING"
            " RETURNING id",
            *(request.id, owner, request.thread_id, state.status.value, request.created_at),
            *(body, self._sealed(owner, state), request.approvers, program, request.expires_at),
        )
        return bool(added)

    def found(
        self, principal: Principal | None, condition: str, *values: Value
    ) -> Transaction[list[ApprovalState]]:
        """The approvals of `principal`; `None`: of whom their sealed requests say."""
        rows = yield from query(self._selected(condition), *values)
        return [self._state(principal, row) for row in rows]

    def locked(
        self, principal: Principal | None, condition: str, *values: Value
    ) -> Transaction[list[ApprovalState]]:
        """As `found`, and no other transaction changes them until this one ends."""
        # An update locks the row in every database.
        sql = f"UPDATE approvals SET status = status WHERE {self.whose} AND {condition} RETURNING {_COLUMNS}"  # noqa: S608 - constants
        rows = yield from query(sql, *values)
        return [self._state(principal, row) for row in rows]

    def stored(self, state: ApprovalState) -> Transaction[None]:
        """Stores a changed state."""
        sealed = self._sealed(owner_digest(state.request.principal), state)
        sql = "UPDATE approvals SET status = ?, state = ? WHERE id = ?"
        yield from query(sql, state.status.value, sealed, state.request.id)

    async def read(
        self, principal: Principal | None, condition: str, *values: Value
    ) -> Sequence[ApprovalState]:
        """See `found`."""
        sql = self._selected(condition)
        async with available():
            rows = await self.database.read(lambda: query(sql, *values))
            return [self._state(principal, row) for row in rows]

    async def change(
        self,
        principal: Principal | None,
        condition: str,
        *values: Value,
        by: Callable[[ApprovalState], ApprovalState],
        before_end: Callable[[], Transaction[None]] | None = None,
    ) -> ApprovalState:
        """Changes one, durably. What `before_end` raises undoes the change.

        Raises `ApprovalError` if there is none.
        """

        def work() -> Transaction[ApprovalState]:
            states = yield from self.locked(principal, condition, *values)
            if not states:
                raise invalid_approval("there is no such approval of this principal")
            changed = by(states[0])
            yield from self.stored(changed)
            if before_end is not None:
                yield from before_end()
            return changed

        async with available():
            return await self.database.write(work, durable=True)

    def _selected(self, condition: str) -> str:
        return f"SELECT {_COLUMNS} FROM approvals WHERE {self.whose} AND {condition}"  # noqa: S608 - constants

    def _sealed(self, owner: str, state: ApprovalState) -> bytes:
        members: dict[str, Any] = {"status": state.status, "digest": state.approved_digest}
        members |= {"decided_at": state.decided_at, "device": state.device}
        if (by := state.approver) is not None:
            members["approver"] = [*astuple(by.principal), sorted(by.groups), by.token, by.issued_at]
        place = "state", owner, state.request.thread_id, state.request.id
        return self.encryption.seal(encoded(members), *place)

    def _state(self, principal: Principal | None, row: Row) -> ApprovalState:
        approval_id, owner, thread_id, status, approvers, program, body, sealed = row
        place = owner, thread_id, approval_id
        members = json.loads(self.encryption.open(body, "request", *place))
        asker = members.pop("asker", None)
        if principal is None:
            if asker is None:
                raise self.encryption.refusal("the question is for its owner alone")
            principal = Principal(*asker)
        if _program(principal, members) != program:
            raise self.encryption.refusal("the program that asks was changed")
        request = self.request_of(members, id=approval_id, thread_id=thread_id, principal=principal)
        if request.approvers != approvers:
            raise self.encryption.refusal("the approvers of a call were changed")
        state = json.loads(self.encryption.open(sealed, "state", *place))
        if state["status"] != status:
            raise self.encryption.refusal("the status of an approval was changed")
        by = None
        if (approver := state.get("approver")) is not None:
            issuer, subject, groups, *token = approver
            by = Approver(Principal(issuer, subject), frozenset(groups), *token)
        digest = state["digest"]
        decided_at = state["decided_at"]
        device = state.get("device")
        return ApprovalState(request, ApprovalStatus(status), digest, decided_at, by, device)


def _program(principal: Principal, members: dict[str, Any]) -> str | None:
    """The name under which the program is stored that asks; it is of the issuer of its user."""
    subject = members.get("prepared_by")
    return None if subject is None else owner_digest(Principal(principal.issuer, subject))


@asynccontextmanager
async def available() -> AsyncGenerator[None]:
    """Reports a database that fails as approvals that cannot be read or kept."""
    try:
        yield
    except (UnavailableError, ConfigurationError) as error:
        refused = error.code is AgentCode.CONVERSATION_UNREADABLE
        code: ErrorCode = error.code if refused else GraphCode.APPROVAL_UNAVAILABLE
        raise UnavailableError(code, error.detail) from None
