"""An `ApprovalStore` in the memory of one process."""

from collections import OrderedDict
from collections.abc import Callable, Collection, Sequence

from graph.approvals.record import ApprovalRequest, ApprovalState, ApprovalStatus, Approver
from graph.error_codes import GraphCode
from identity.errors import ApprovalError
from identity.principal import Principal


class MemoryApprovalStore:
    """An `ApprovalStore` that ends with the process. No method awaits, so each is atomic in an event loop.

    Above `capacity` approvals the oldest are forgotten. A forgotten approval allows nothing: the person is
    asked again.
    """

    def __init__(self, capacity: int = 10_000) -> None:
        self._capacity = capacity
        self._states: OrderedDict[str, ApprovalState] = OrderedDict()

    async def open(self, request: ApprovalRequest) -> ApprovalState:
        """See `ApprovalStore`."""
        if (known := self._states.get(request.id)) is not None:
            if known.request.principal != request.principal:
                raise ApprovalError(GraphCode.APPROVAL_INVALID, "the id is of another principal's approval")
            return known
        for id_, state in self._states.items():
            self._states[id_] = state.replaced_by(request)
        opened = self._states[request.id] = ApprovalState(request)
        while len(self._states) > self._capacity:
            self._states.popitem(last=False)
        return opened

    async def get(self, approval_id: str, principal: Principal) -> ApprovalState | None:
        """See `ApprovalStore`."""
        state = self._states.get(approval_id)
        return state if state is not None and state.request.principal == principal else None

    async def find(self, approval_ids: Collection[str], principal: Principal) -> Sequence[ApprovalState]:
        """See `ApprovalStore`."""
        found = [await self.get(approval_id, principal) for approval_id in approval_ids]
        return [state for state in found if state is not None]

    async def decide(
        self, approval_id: str, principal: Principal, *, approved: bool, digest: str | None, at: float
    ) -> ApprovalState:
        """See `ApprovalStore`."""
        return self._change(
            approval_id, principal, lambda state: state.decided(approved=approved, digest=digest, at=at)
        )

    async def asked_of(self, approver: Approver) -> Sequence[ApprovalState]:
        """See `ApprovalStore`."""
        return [
            state
            for state in self._states.values()
            if state.status is ApprovalStatus.OPEN
            and state.request.approvers is not None
            and approver.may_approve(state.request.principal, state.request.approvers)
        ]

    async def decide_for(
        self, approval_id: str, approver: Approver, *, approved: bool, at: float
    ) -> ApprovalState:
        """See `ApprovalStore`."""
        state = self._states.get(approval_id)
        if state is None or state.request.approvers is None:
            raise ApprovalError(GraphCode.APPROVAL_INVALID, "there is no such question")
        changed = state.decided(approved=approved, digest=state.request.digest, at=at, approver=approver)
        self._states[approval_id] = changed
        return changed

    async def use(self, approval_id: str, principal: Principal, digest: str, at: float) -> None:
        """See `ApprovalStore`."""
        self._change(approval_id, principal, lambda state: state.used(digest, at))

    async def pending(self, principal: Principal, thread_id: str | None = None) -> Sequence[ApprovalState]:
        """See `ApprovalStore`."""
        return [
            state
            for state in self._states.values()
            if state.status is ApprovalStatus.OPEN
            and state.request.principal == principal
            and thread_id in (None, state.request.thread_id)
        ]

    async def latest(self, principal: Principal, thread_id: str) -> ApprovalState | None:
        """See `ApprovalStore`."""
        of_thread = (
            state
            for state in self._states.values()
            if (state.request.principal, state.request.thread_id) == (principal, thread_id)
        )
        return max(of_thread, key=lambda state: state.request.created_at, default=None)

    async def withdraw(
        self, principal: Principal, thread_id: str, at: float, *, call_id: str | None = None
    ) -> None:
        """See `ApprovalStore`."""
        for id_, state in self._states.items():
            request = state.request
            of_thread = (request.principal, request.thread_id) == (principal, thread_id)
            if of_thread and call_id in (None, request.call_id):
                self._states[id_] = state.withdrawn(at)

    def _change(
        self, approval_id: str, principal: Principal, change: Callable[[ApprovalState], ApprovalState]
    ) -> ApprovalState:
        state = self._states.get(approval_id)
        if state is None or state.request.principal != principal:
            raise ApprovalError(GraphCode.APPROVAL_INVALID, "there is no such approval of this principal")
        changed = self._states[approval_id] = change(state)
        return changed
