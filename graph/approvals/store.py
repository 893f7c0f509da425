"""The seam to the database that keeps approvals."""

from collections.abc import Collection, Sequence
from typing import Protocol

from graph.approvals.record import ApprovalRequest, ApprovalState
from identity.principal import Principal


class ApprovalStore(Protocol):
    """Keeps approvals outside of the graph's state, which others can write and which can be replayed.

    The rules are the methods of `ApprovalState`. Each method here is atomic over all processes that share the
    store: of two concurrent decisions one counts, and of two concurrent uses one succeeds. An approval of
    another principal is absent. If the store is not available, every method raises `UnavailableError`
    (`approval_unavailable`), and the call that waits for it is not made.
    """

    async def open(self, request: ApprovalRequest) -> ApprovalState:
        """Adds `request`, unless one of its id and principal exists: then that one is returned, unchanged.

        If it is added, it replaces those that the principal was asked before (`ApprovalState.replaced_by`).
        Raises `ApprovalError` if the id is that of another principal's approval.
        """
        ...

    async def get(self, approval_id: str, principal: Principal) -> ApprovalState | None:
        """The approval of `principal` with this id."""
        ...

    async def find(self, approval_ids: Collection[str], principal: Principal) -> Sequence[ApprovalState]:
        """Those of `principal` with one of these ids, read at once."""
        ...

    async def decide(
        self, approval_id: str, principal: Principal, *, approved: bool, digest: str | None, at: float
    ) -> ApprovalState:
        """`ApprovalState.decided`, once. Raises `ApprovalError`, also if there is no such approval."""
        ...

    async def use(self, approval_id: str, principal: Principal, digest: str, at: float) -> None:
        """`ApprovalState.used`, once. Raises `ApprovalError`, also if there is no such approval."""
        ...

    async def pending(self, principal: Principal, thread_id: str | None = None) -> Sequence[ApprovalState]:
        """The open ones of `principal`, of one thread or of all, the oldest first.

        Those that have expired may be among them (`ApprovalState.status_at`).
        """
        ...

    async def latest(self, principal: Principal, thread_id: str) -> ApprovalState | None:
        """That of the thread that `principal` was asked last, whatever became of it."""
        ...

    async def withdraw(
        self, principal: Principal, thread_id: str, at: float, *, call_id: str | None = None
    ) -> None:
        """`ApprovalState.withdrawn` for all approvals of the thread, or for those of one call."""
        ...
