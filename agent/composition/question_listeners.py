"""Who hears of a new question beside the person who decides: listeners of installed packages."""

import logging
from collections.abc import Callable, Sequence
from typing import Final, Protocol, TypeAlias

from agent.composition.service_parts import ServiceParts
from agent.entry_points import failure_of, installed
from graph.approvals.record import ApprovalStore, PendingApproval
from identity.access_token.revocation_list import RevocationList

_LOG: Final = logging.getLogger("idaas_agent.approvals")
ENTRY_POINTS: Final = "idaas_agent.question_listeners"
"""The group of entry points by which installed packages add listeners. An entry is a `MakeListener`."""


class QuestionListener(Protocol):
    """Hears of questions, and decides nothing."""

    def announce(self, pending: PendingApproval) -> None:
        """Hears of a question about a call or a prepared run, which is stored. Called within a run: it must
        not wait.
        """

    async def aclose(self) -> None:
        """Ends what it does. The store is still open."""


MakeListener: TypeAlias = Callable[[ServiceParts, ApprovalStore, RevocationList], QuestionListener | None]
"""Makes the listener of an agent; `None` if its settings want none."""


class QuestionListeners:
    """All listeners as one. No failure of a listener reaches the run, or another listener."""

    def __init__(self, listeners: Sequence[QuestionListener]) -> None:
        self._listeners = listeners

    def announce(self, pending: PendingApproval) -> None:
        """Tells each listener."""
        for listener in self._listeners:
            try:
                listener.announce(pending)
            except Exception as error:  # noqa: BLE001 - third-party code may raise anything
                _LOG.warning("a listener of questions failed: %s", failure_of(error))

    async def aclose(self) -> None:
        """Ends all listeners."""
        for listener in self._listeners:
            await listener.aclose()


def installed_listeners(
    parts: ServiceParts, store: ApprovalStore | None, revocations: RevocationList
) -> QuestionListeners:
    """The listeners that the settings want; without a `store`, none: nothing is asked.

    Raises `ConfigurationError` for each that cannot be imported, and what their functions raise.
    """
    if store is None:
        return QuestionListeners(())
    made = [make(parts, store, revocations) for make in installed(ENTRY_POINTS).values()]
    return QuestionListeners([listener for listener in made if listener is not None])
