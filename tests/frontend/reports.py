"""A service of the agent under test: a long call with progress, under bounds that can be narrowed."""

import asyncio
from typing import Annotated, Any

from pydantic import Field

from idaas_agent import ToolResult, progress
from tests.graph.scripted_model import calls

SERVICES = """
[services.reports]
type = "http"
url = "https://reports.example"
python = "tests.frontend.reports:service"
[services.reports.policies.print_report]
effect = "write"
policy = "ask"
[services.reports.policies.print_report.lasting]
seconds = 28800
bounds.pages = { min = 1, max = 500 }
bounds.paper = { one_of = ["A4", "A5", "A6"] }
bounds.project = { prefix = "P-" }
[services.reports.policies.draw_chart]
effect = "read"
"""

PRINT = calls(("print_report", {"pages": 9, "paper": "A5", "project": "P-71"}))
PROJECT = "project · Project (项目)"
"""The argument `project` with its title, as cards show it."""
MAY_END = asyncio.Event()
"""The call ends when it is set."""
PAGE = b"<!doctype html><script>document.title = 'taken over'</script>"


def service(reports: Any, _settings: Any) -> None:
    """Adds the tool to the service."""

    @reports.tool  # type: ignore[untyped-decorator] # the type is not exported
    async def print_report(
        http: Any, pages: int, paper: str, project: Annotated[str, Field(title="Project (项目)")]
    ) -> str:
        """Prints a report."""
        progress(None, "starting")
        progress(0.4, f"page 2 of {pages} for {project}")
        await MAY_END.wait()
        return f"printed on {paper}"

    @reports.tool  # type: ignore[untyped-decorator] # the type is not exported
    async def draw_chart(http: Any) -> ToolResult:
        """Draws a chart."""
        return ToolResult("Drawn.", files=[("chart.gif", b"GIF89a\1\0\1\0"), ("chart.svg.html", PAGE)])
