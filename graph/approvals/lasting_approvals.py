"""The seam between the gate and approvals that last, which are given and kept elsewhere."""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

from graph.approvals.record import ApprovalRequest, ApprovalState
from graph.context import Conversation
from identity.access_token.verified_access_token import VerifiedAccessToken
from tools.lasting import Lasting


@dataclass(frozen=True, slots=True)
class CoveringApproval:
    """An approval that lasts, and covers one call."""

    id: str
    lasting: Lasting
    use: Callable[[float, Conversation | None], Awaitable[None]] = field(repr=False, compare=False)
    """Counts the use by the call, at a time in unix seconds and in a run, which must have its conversation.
    Await it immediately before the call, after the policy has decided. Raises `ApprovalError`,
    `ThreadBusyError` and `UnavailableError`: then the call is not made."""


class LastingApprovals(Protocol):
    """The approvals that last, of all persons (`graph.approvals.grants`)."""

    def is_void(self, state: ApprovalState) -> bool:
        """Whether the rights of the asker, or of the other person who decided, were changed since."""

    async def covering(
        self, call: ApprovalRequest, arguments: Mapping[str, Any], caller: VerifiedAccessToken
    ) -> Sequence[CoveringApproval]:
        """The approvals that cover the call now. The policy decides whether one of them counts."""

    async def give(self, request: ApprovalRequest, lasting: Lasting, caller: VerifiedAccessToken) -> None:
        """Keeps and records that `caller`, who has approved `request`, approves more. Raises `AuditError`."""
