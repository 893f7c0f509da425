"""A service of the agent under test with two tools, which its settings name."""

from typing import Any


def service(reports: Any, settings: Any) -> None:
    """Adds the tools to the service."""
    for name in settings["tools"].split():

        async def act(http: Any) -> str:
            """Acts."""
            return "done"

        act.__name__ = name
        reports.tool(act)
