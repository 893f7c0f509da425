"""A new question to a person, for those who announce it elsewhere than where it is decided."""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from graph.approvals.card import summary
from graph.approvals.record import ApprovalStatus, ApprovalStore, PendingApproval


@dataclass(frozen=True, slots=True)
class AnnouncedQuestion:
    """A question that is stored. Hearing of it decides nothing."""

    pending: PendingApproval
    text: str
    """The question on one line, without arguments and what was read."""
    is_open: Callable[[], Awaitable[bool]]
    """Whether it still waits for a decision. Raises `UnavailableError` while that cannot be read."""
    members: Mapping[str, Any] = field(default_factory=dict)
    """Its members beside those of every approval (`graph.approvals.request.approval_of`)."""


def question_of_run(pending: PendingApproval, store: ApprovalStore) -> AnnouncedQuestion:
    """The question that a run asks, which `store` keeps."""

    request = pending.request

    async def is_open() -> bool:
        state = await store.get(request.id, request.principal)
        return state is not None and state.status is ApprovalStatus.OPEN

    return AnnouncedQuestion(pending, summary(request), is_open)
