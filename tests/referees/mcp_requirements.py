"""What the revision 2026-07-28 of MCP requires, by the list that its conformance suite froze that day.

Each scenario of the list is run against the agent as a server, and with the agent's client. What the suite
runs beside the list is not counted here.
"""

import shlex
import subprocess
import sys
import tempfile
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, Final

import yaml

from tests.graph.scripted_model import DONE, ScriptedModel
from tests.mcp_referees.conformance_runner import RUNNER, TOOLS, results_by_scenario
from tests.mcp_referees.referees import NODE
from tests.referees.referee import SKIPPED, Case
from tests.referees.served_agent import served_agent

REVISION: Final = "2026-07-28"
_LIST: Final = RUNNER.parents[1] / "requirements" / f"{REVISION}.yaml"
_AT_ONCE: Final = 4
"""Scenarios of the client: most of the time is that which the runner waits for it."""
_FAILED: Final = frozenset({"FAILURE", "WARNING"})
_SERVICE: Final = (
    'services.runner = { type = "http", url = "https://runner.example", python = "runner.py:service" }'
)


def run(folder: Path) -> Iterable[Case]:
    """The scenarios of both roles."""
    required = yaml.safe_load(_LIST.read_text(encoding="utf-8"))
    with tempfile.TemporaryDirectory(prefix="mcp-") as name:
        files = Path(name)
        (files / "runner.py").write_text(TOOLS)
        (files / "services.toml").write_text(_SERVICE)
        model = ScriptedModel(turns=[DONE])
        with served_agent(model, signs_in=True, SERVICES_FILE=f"{files}/services.toml") as agent:
            _play("server", files, "--requirements", REVISION, "--url", f"{agent.url}/mcp")
        client = shlex.join([sys.executable, "-m", "tests.mcp_referees.conformance_client"])

        def play(scenario: str) -> None:
            """Alone: the runner ends with the first scenario that its own server fails."""
            _play("client", files, "--scenario", scenario, "--spec-version", REVISION, "--command", client)

        with ThreadPoolExecutor(_AT_ONCE) as pool:
            list(pool.map(play, required["client"]))
        played = {
            "server": results_by_scenario(files / "server", "server-"),
            "client": results_by_scenario(files / "client"),
        }
        for role, results in played.items():
            yield from cases(role, required[role], results)


def _play(role: str, files: Path, *options: str) -> None:
    command = [NODE, str(RUNNER), role, "-o", str(files / role), *options]
    subprocess.run(command, check=False, capture_output=True, cwd=Path(__file__).parents[2])


def cases(role: str, required: Iterable[str], results: dict[str, list[Any]]) -> Iterator[Case]:
    """A case for each required scenario: what failed of its checks. One without a check was not run."""
    for scenario in required:
        checks = results.get(scenario, [])
        failed = [check["id"] for check in checks if check["status"] in _FAILED]
        decided = [check for check in checks if check["status"] not in ("SKIPPED", "INFO")]
        fault = ", ".join(dict.fromkeys(failed))
        if not decided:
            fault = f"{SKIPPED}no check" if checks else "not run"
        yield Case(role, scenario, fault)
