"""The rights that the governed tools of an application's graph have for a user, as its server shows them."""

from collections.abc import Iterable

from graph.approvals.policy import AnyUser
from graph.approvals.rights import ServiceRights
from idaas_agent.library.governed_tool import GovernedTool


async def rights_of_tools(tools: Iterable[GovernedTool], user: AnyUser) -> list[ServiceRights]:
    """The services of `tools`, each once for each permission. Nothing is called for it."""
    services: dict[str, ServiceRights] = {}
    for tool in tools:
        found = await tool.rights(user)
        key = repr({**found, "tools": ()})
        services.setdefault(key, {**found, "tools": []})["tools"] += found["tools"]
    return list(services.values())
