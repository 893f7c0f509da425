"""Who hears of a new question beside the person who decides: listeners of installed packages."""

import logging
from collections.abc import Callable, Sequence
from typing import Final, Protocol, TypeAlias

from agent.composition.service_parts import ServiceParts
from agent.entry_points import failure_of, installed
from graph.approvals.announced_question import AnnouncedQuestion, question_of_run
from graph.approvals.record import ApprovalStore, PendingApproval
from graph.approvals.titles import NO_TITLES, Titles

_LOG: Final = logging.getLogger("idaas_agent.approvals")
ENTRY_POINTS: Final = "idaas_agent.question_listeners"
"""The group of entry points by which installed packages add listeners. An entry is a `MakeListener`."""


class QuestionListener(Protocol):
    """Hears of questions, and decides nothing."""

    def announce(self, question: AnnouncedQuestion) -> None:
        """Hears of a question about a call, or of one that no run asks. Called within a run: it must not
        wait.
        """

    async def aclose(self) -> None:
        """Ends what it does. Whether a question is open can still be read."""


MakeListener: TypeAlias = Callable[[ServiceParts], QuestionListener | None]
"""Makes the listener of an agent; `None` if its settings want none."""


class QuestionListeners:
    """All listeners as one. No failure of a listener reaches the run, or another listener."""

    def __init__(
        self, listeners: Sequence[QuestionListener], store: ApprovalStore | None, titles: Titles = NO_TITLES
    ) -> None:
        """`store` keeps the questions of runs; without it, runs ask none."""
        self._listeners = listeners
        self._store = store
        self._titles = titles

    def announce_call(self, pending: PendingApproval) -> None:
        """Tells each listener of a question that a run asks about a call."""
        if self._listeners and self._store is not None:
            self.announce(question_of_run(self._titles.beside(pending), self._store))

    def announce(self, question: AnnouncedQuestion) -> None:
        """Tells each listener."""
        for listener in self._listeners:
            try:
                listener.announce(question)
            except Exception as error:  # noqa: BLE001 - third-party code may raise anything
                _LOG.warning("a listener of questions failed: %s", failure_of(error))

    async def aclose(self) -> None:
        """Ends all listeners."""
        for listener in self._listeners:
            await listener.aclose()


def installed_listeners(
    parts: ServiceParts, store: ApprovalStore | None, titles: Titles = NO_TITLES
) -> QuestionListeners:
    """The listeners that the settings want; without a `store`, none: nothing is asked. They read `titles`
    beside the names.

    Raises `ConfigurationError` for each that cannot be imported, and what their functions raise.
    """
    if store is None:
        return QuestionListeners((), None)
    made = [make(parts) for make in installed(ENTRY_POINTS).values()]
    return QuestionListeners([listener for listener in made if listener is not None], store, titles)
