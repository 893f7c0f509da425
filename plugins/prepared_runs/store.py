"""Prepared runs in the database of conversations: limited, and decided once, over all processes.

They have rows of the table of approvals, as in every release so far. With a table of their own, a replica of
the release before could decide about a run that another one has decided.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, Final

from agent.conversations import stored_request
from agent.conversations.approval_rows import OF_PROGRAMS, ApprovalRows, available
from agent.conversations.database.database import Database, Transaction, query
from agent.conversations.encryption.encryption import Encryption
from agent.conversations.thread import owner_digest
from agent.errors.error_codes import AgentCode
from graph.approvals.record import ApprovalRequest, ApprovalState, Approver
from graph.error_codes import invalid_approval
from identity.errors import LimitError
from identity.observation.request_context import DEVICE
from identity.principal import Principal
from plugins.prepared_runs.prepared_run import PreparedKind, PreparedRun, client_of

_LIMITS: Final = ("MAX_PREPARED_BY_CLIENT", "MAX_PREPARED_FOR_USER")
_WAITS: Final = "status = 'open' AND expires_at > ?"


def members_of(request: ApprovalRequest) -> dict[str, Any]:
    """The members of a prepared run that have no column, as JSON: those of an approval, its client and its
    user, whom the client reads.
    """
    user = [request.principal.issuer, request.principal.subject]
    return {**stored_request.members_of(request), "prepared_by": client_of(request), "asker": user}


def request_of(members: dict[str, Any], **in_columns: Any) -> ApprovalRequest:  # noqa: ANN401 - of any type
    """The inverse of `members_of`."""
    of_approval = {name: value for name, value in members.items() if name != "kind"}
    request = stored_request.request_of(of_approval, kind=PreparedKind(members["kind"]), **in_columns)
    client = PreparedRun(members["prepared_by"])
    return replace(request, extensions=request.extensions.having(client))


@dataclass(frozen=True, slots=True)
class PreparedLimits:
    """How many prepared runs may wait: of one client, for one user, and of one client for one user."""

    of_client: int
    of_user: int
    of_pair: int


class PreparedRunStore:
    """The prepared runs of all clients and users. A decision is on disk when it returns.

    If the database cannot be used, every method raises `UnavailableError` (`approval_unavailable`).
    """

    def __init__(self, database: Database, encryption: Encryption) -> None:
        self._rows: Final = ApprovalRows(database, encryption, OF_PROGRAMS, members_of, request_of)

    async def prepare(self, request: ApprovalRequest, limits: PreparedLimits) -> ApprovalState | None:
        """Adds a prepared run, or returns the one of its id. Raises `LimitError` if as many wait as `limits`
        allow.
        """
        client = owner_digest(Principal(request.principal.issuer, client_of(request) or ""))
        user = owner_digest(request.principal)
        now = request.created_at
        waiting_of = f"SELECT count(*) FROM approvals WHERE {_WAITS} AND prepared_by"  # noqa: S608 - constants

        def adding() -> Transaction[ApprovalState | None]:
            if not (yield from self._rows.added(ApprovalState(request))):
                earlier = yield from self._rows.found(None, "id = ?", request.id)
                if not earlier:
                    raise invalid_approval("the id is of a question of a run")
                return earlier[0]
            of_client = yield from query(f"{waiting_of} = ?", now, client)
            of_user = yield from query(f"{waiting_of} IS NOT NULL AND owner = ?", now, user)
            of_pair = yield from query(f"{waiting_of} = ? AND owner = ?", now, client, user)
            counts = (of_client, limits.of_client), (of_user, limits.of_user), (of_pair, limits.of_pair)
            for [[waiting]], most in counts:
                if waiting > most:  # with this one, which is not kept then
                    text = f"{most} prepared runs wait"
                    raise LimitError(AgentCode.TOO_MANY_RUNS, text, settings=_LIMITS)
            return None

        async with available():
            return await self._rows.database.write(adding, durable=True)

    async def get(self, prepared_id: str, user: Principal) -> ApprovalState | None:
        """The one of this id that was prepared for `user`."""
        states = await self._rows.read(user, "id = ? AND owner = ?", prepared_id, owner_digest(user))
        return states[0] if states else None

    async def decide(
        self, prepared_id: str, user: Principal, *, approved: bool, digest: str, at: float
    ) -> ApprovalState:
        """`ApprovalState.decided`, once. Raises `ApprovalError`, also if none was prepared for `user`."""
        device = DEVICE.get()  # here, because a database may do its work in another thread

        def decided(state: ApprovalState) -> ApprovalState:
            return state.decided(approved=approved, digest=digest, at=at, device=device)

        owner = owner_digest(user)
        return await self._rows.change(user, "id = ? AND owner = ?", prepared_id, owner, by=decided)

    async def of_client(self, client: Principal) -> Sequence[ApprovalState]:
        """The newest 1,000 that `client` prepared, in any status."""
        condition = "prepared_by = ? ORDER BY created_at DESC, id LIMIT 1000"
        return await self._rows.read(None, condition, owner_digest(client))

    async def waiting_for(self, user: Principal, at: float) -> Sequence[ApprovalState]:
        """The runs prepared for `user` that are open at `at`, the oldest first; `prepare` limits them."""
        condition = f"{_WAITS} AND owner = ? ORDER BY created_at, id"
        return await self._rows.read(None, condition, at, owner_digest(user))

    async def waiting_for_all(self, at: float) -> Sequence[ApprovalState]:
        """All that are open, and have not expired at `at`, the newest first, for operators."""
        return await self._rows.read(None, f"{_WAITS} ORDER BY created_at DESC, id", at)

    async def withdraw(self, prepared_id: str, client: Principal, at: float) -> ApprovalState:
        """Withdraws an open one of `client`. Raises `ApprovalError` for every other."""

        def withdrawn(state: ApprovalState) -> ApprovalState:
            state.require_open(at, Approver(client))
            return state.withdrawn(at)

        condition = "id = ? AND prepared_by = ?"
        return await self._rows.change(None, condition, prepared_id, owner_digest(client), by=withdrawn)
