"""Approvals in the memory of the process: what a person was asked and has decided is forgotten with it.

A call that waits when the process ends is asked about anew. The rules are those of every store
(`graph.approvals.record`): this one forgets the oldest of more than 10,000 approvals.
"""

from collections.abc import Iterator, Sequence
from typing import Final

from cachetools import FIFOCache

from graph.approvals.record import ApprovalRequest, ApprovalState, ApprovalStatus
from graph.context import Conversation
from graph.error_codes import invalid_approval
from identity.principal import Principal

_CAPACITY: Final = 10_000


class MemoryApprovals:
    """An `ApprovalStore`. No method waits, so each is atomic in the process."""

    def __init__(self) -> None:
        self._states: FIFOCache[str, ApprovalState] = FIFOCache(_CAPACITY)

    async def open(self, request: ApprovalRequest) -> ApprovalState:
        """See `ApprovalStore`."""
        known = self._states.get(request.id)
        if known is not None and known.request.principal != request.principal:
            raise invalid_approval(f"approval {request.id} is another principal's")
        if known is not None:
            return known
        for state in list(self._of(request.principal)):
            self._states[state.request.id] = state.replaced_by(request)
        opened = self._states[request.id] = ApprovalState(request)
        return opened

    async def get(self, approval_id: str, principal: Principal) -> ApprovalState | None:
        """See `ApprovalStore`."""
        state = self._states.get(approval_id)
        return state if state is not None and state.request.principal == principal else None

    async def decide(
        self, approval_id: str, principal: Principal, *, approved: bool, digest: str | None, at: float
    ) -> ApprovalState:
        """See `ApprovalStore`."""
        state = await self._known(approval_id, principal)
        decided = self._states[approval_id] = state.decided(approved=approved, digest=digest, at=at)
        return decided

    async def use(
        self,
        approval_id: str,
        principal: Principal,
        digest: str,
        at: float,
        run: Conversation | None = None,  # noqa: ARG002 - no other process takes the run over
    ) -> None:
        """See `ApprovalStore`."""
        state = await self._known(approval_id, principal)
        self._states[approval_id] = state.used(digest, at)

    async def pending(self, principal: Principal, thread_id: str | None = None) -> Sequence[ApprovalState]:
        """See `ApprovalStore`."""
        of_thread = [state for state in self._of(principal) if thread_id in (None, state.request.thread_id)]
        is_open = [state for state in of_thread if state.status is ApprovalStatus.OPEN]
        return sorted(is_open, key=lambda state: state.request.created_at)

    async def withdraw(
        self, principal: Principal, thread_id: str, at: float, *, call_id: str | None = None
    ) -> None:
        """See `ApprovalStore`."""
        for state in list(self._of(principal)):
            request = state.request
            if request.thread_id == thread_id and call_id in (None, request.call_id):
                self._states[request.id] = state.withdrawn(at)

    def _of(self, principal: Principal) -> Iterator[ApprovalState]:
        return (state for state in self._states.values() if state.request.principal == principal)

    async def _known(self, approval_id: str, principal: Principal) -> ApprovalState:
        state = await self.get(approval_id, principal)
        if state is None:
            raise invalid_approval(f"there is no approval {approval_id}")
        return state
