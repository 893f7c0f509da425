"""The budgets of model calls that installed packages add, found by entry points."""

from collections.abc import Callable, Sequence
from typing import Final, TypeAlias

from agent.composition.service_parts import ServiceParts
from agent.conversations.storage import ConversationStorage
from agent.entry_points import installed
from graph.models.budget import ModelBudget

ENTRY_POINTS: Final = "idaas_agent.model_budgets"
"""The group of entry points by which installed packages add budgets. An entry is a `MakeBudget`."""

MakeBudget: TypeAlias = Callable[[ServiceParts, ConversationStorage | None], ModelBudget | None]
"""Makes the budget of an agent; `None` if its settings want none. Raises `ConfigurationError`."""


def installed_budgets(parts: ServiceParts, storage: ConversationStorage | None) -> Sequence[ModelBudget]:
    """The budgets that the settings want, each of which may refuse a request to the model.

    Raises `ConfigurationError` for each that cannot be imported, and what their functions raise.
    """
    made = [make(parts, storage) for make in installed(ENTRY_POINTS).values()]
    return [budget for budget in made if budget is not None]
