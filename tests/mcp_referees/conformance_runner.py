"""The official conformance runner: its program, the tools that it calls, and the checks that it stores."""

import json
import re
from pathlib import Path
from typing import Any, Final

from tests.mcp_referees.referees import PACKAGES

RUNNER = PACKAGES / "conformance" / "dist" / "index.js"
_TIME: Final = re.compile(r"-\d{4}-\d{2}-\d{2}T[\d-]+Z$")
"""The end of the name of a folder with the checks of a scenario."""
TOOLS = '''
import logging

from idaas_agent import Effect, ToolPolicy, progress


def service(runner, settings):
    @runner.tool
    async def test_simple_text(http) -> str:
        """What the runner calls by this name."""
        return "ready"

    @runner.tool
    async def test_error_handling(http) -> str:
        """Fails."""
        raise RuntimeError

    @runner.tool
    async def test_tool_with_progress(http) -> str:
        """Reports progress."""
        for percent in (0, 50, 100):
            progress(percent / 100, f"{percent} %")
        return "ready"

    @runner.tool
    async def test_logging_tool(http) -> str:
        """Logs, which no client reads."""
        logging.getLogger("runner").warning("a line")
        return "ready"

    @runner.tool(policy=ToolPolicy(Effect.WRITE))
    async def test_streaming_elicitation(http) -> str:
        """Needs an approval, which is asked for in the result."""
        return "ready"
'''


def results(folder: Path) -> list[Any]:
    """The checks of each scenario that the runner has stored."""
    return [json.loads(file.read_text()) for file in folder.rglob("checks.json")]


def results_by_scenario(folder: Path, prefix: str = "") -> dict[str, list[Any]]:
    """The checks of each scenario, by its name. The names of their folders begin with `prefix`."""
    return {
        _TIME.sub("", str(file.parent.relative_to(folder))).removeprefix(prefix): json.loads(file.read_text())
        for file in folder.rglob("checks.json")
    }
