"""The measures of an agent that are read of its parts, and not counted by them."""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from agent.composition.agent import Agent


def show_measures(agent: "Agent") -> None:
    """Gives the metrics the connections of the parts, and how waiting approvals are counted."""
    measures = agent.measures
    kept = agent.kept
    measures.pools.uses["idaas"] = agent.identity.pool
    database = None if kept is None else kept.storage.database
    measures.pools.add(agent.services, model=agent.model, postgresql=database, redis=agent.redis)
    if kept is not None:
        measures.approvals.count = lambda: kept.approvals.count_open(
            agent.clock() - agent.settings.approval_seconds
        )
