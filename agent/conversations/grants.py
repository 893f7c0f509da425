"""Grants in the database of conversations: counted and withdrawn over all processes."""

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Final

from agent.conversations.approval_rows import available
from agent.conversations.approvals import SqlApprovalStore
from agent.conversations.database.database import Database, Row, Rows, Transaction, query
from agent.conversations.encryption.encryption import Encryption
from agent.conversations.message_json import encoded
from agent.conversations.stored_request import members_of, request_of
from agent.conversations.thread import owner_digest
from graph.approvals.grants import Grant
from graph.approvals.record import ApprovalRequest, ApprovalState, ApprovalStatus
from graph.context import Conversation
from graph.error_codes import GraphCode, invalid_approval
from identity.errors import ApprovalError
from identity.principal import Principal
from tools.lasting import Lasting

_COLUMNS: Final = "id, owner, thread_id, ends_at, uses, last_used_at, body"
_KEPT: Final = ("schema", "token", "issued_at", "created_at")
_NEWEST: Final = "ORDER BY created_at DESC, id"
MOST: Final = 500
"""Grants of one principal that are looked at, the newest."""


@dataclass(frozen=True, slots=True)
class SqlGrantStore:
    """A `GrantStore`. Identifiers, thread, times and the number of uses are in clear, and the digest of the
    principal. Everything that decides what a grant covers is sealed, with copies of its thread and end.
    """

    _database: Database
    _encryption: Encryption
    _approvals: SqlApprovalStore

    async def add(self, grant: Grant) -> None:
        owner = owner_digest(grant.request.principal)
        members = {
            "principal": asdict(grant.request.principal),
            "request": members_of(grant.request) | {"thread_id": grant.request.thread_id},
            "lasting": asdict(grant.lasting),
            **{name: getattr(grant, name) for name in _KEPT},
        }
        body = self._encryption.seal(encoded(members), "grant", owner, grant.id)
        values = grant.id, owner, grant.thread_id, grant.created_at, grant.ends_at, body
        sql = (
            "INSERT INTO grants (id, owner, thread_id, created_at, ends_at, uses, body)"
            " VALUES (?, ?, ?, ?, ?, 0, ?)"
        )
        async with available():
            await self._database.write(lambda: query(sql, *values), durable=True)

    async def of(self, principal: Principal, at: float) -> Sequence[Grant]:
        condition = f"owner = ? AND ends_at > ? {_NEWEST} LIMIT {MOST}"
        return await self._found(condition, owner_digest(principal), at)

    async def of_all(self, at: float) -> Sequence[Grant]:
        """The grants of all principals that have not ended, the newest first, for operators."""
        return await self._found(f"ends_at > ? {_NEWEST}", at)

    async def use(
        self, grant: Grant, call: ApprovalRequest, at: float, run: Conversation | None = None
    ) -> None:
        """See `GrantStore`. A use, and with it the approval of the call, is on disk when this returns."""
        owner = owner_digest(call.principal)
        used = ApprovalState(call, ApprovalStatus.USED, call.digest, at)
        held = self._approvals.held(call.principal, run)

        def work() -> Transaction[None]:
            rows = yield from query(
                "UPDATE grants SET uses = uses + 1, last_used_at = ?"  # noqa: S608 - constants
                f" WHERE id = ? AND owner = ? AND ends_at > ? RETURNING {_COLUMNS}",
                *(at, grant.id, owner, at),
            )
            if not rows or self._grant(rows[0]).lasting != grant.lasting:
                raise invalid_approval("the grant was withdrawn, or has ended")
            if not (yield from self._approvals.rows.added(used)):
                raise ApprovalError(GraphCode.APPROVAL_USED, "the call was asked about or made before")
            yield from held()

        async with available():
            await self._database.write(work, durable=True)

    async def withdraw(self, principal: Principal, grant_id: str) -> Grant | None:
        sql = f"DELETE FROM grants WHERE id = ? AND owner = ? RETURNING {_COLUMNS}"  # noqa: S608 - constants
        async with available():
            rows = await self._database.write(
                lambda: query(sql, grant_id, owner_digest(principal)), durable=True
            )
            return self._grant(rows[0]) if rows else None

    async def end_in(self, principal: Principal, thread_id: str) -> None:
        """Withdraws the grants of a conversation."""
        async with available():
            await self._database.write(lambda: end_grants(owner_digest(principal), thread_id), durable=True)

    async def _found(self, condition: str, *values: str | float) -> Sequence[Grant]:
        sql = f"SELECT {_COLUMNS} FROM grants WHERE {condition}"  # noqa: S608 - constants
        async with available():
            rows: Rows = await self._database.read(lambda: query(sql, *values))
            return [self._grant(row) for row in rows]

    def _grant(self, row: Row) -> Grant:
        """Raises `ConfigurationError` if it is not what was stored."""
        grant_id, owner, thread_id, ends_at, uses, last_used_at, body = row
        members = json.loads(self._encryption.open(body, "grant", owner, grant_id))
        principal = Principal(**members["principal"])
        grant = Grant(
            request=request_of(members["request"], id=grant_id, principal=principal),
            lasting=Lasting(**members["lasting"]),
            **{name: members.get(name) for name in _KEPT},
            uses=uses,
            last_used_at=last_used_at,
        )
        if (owner_digest(principal), grant.thread_id, grant.ends_at) != (owner, thread_id, ends_at):
            raise self._encryption.refusal("a grant was changed")
        return grant


def end_grants(owner: str, thread_id: str | None) -> Transaction[Rows]:
    """Withdraws the grants of a conversation; with `None`, of all conversations of the owner."""
    condition, values = ("IS NOT NULL", ()) if thread_id is None else ("= ?", (thread_id,))
    return (yield from query(f"DELETE FROM grants WHERE owner = ? AND thread_id {condition}", owner, *values))  # noqa: S608 - constants
