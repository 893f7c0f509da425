"""The integration tests of LangGraph's SDK for Python: the suite's own graphs on `langgraph dev`.

Each test is run twice: against the server alone, and behind the agent's guards. What the server alone fails
is not the guards'. The suite sends no token: behind the guards a request without one is Alice's.
"""

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, Final

from tests.agent.api.langgraph.langgraph_process import ROOT, langgraph_dev
from tests.referees.junit_report import cases
from tests.referees.referee import Case
from tests.referees.served_agent import referee_sandbox
from tests.suite import Sandbox

_SECONDS: Final = 45
"""For each test: some wait for what a refused request does not send."""
GRAPHS: Final = {
    "agent": "streaming_graph.py:graph",
    "tools_agent": "tools_agent.py:graph",
    "factory_agent": "factory_graph.py:make_graph",
}
"""The suite's, without the one that needs the package `deepagents`."""


def run(folder: Path) -> Iterable[Case]:
    """The tests of each server."""
    suite = folder / "libs" / "sdk-py"
    guarded = json.loads((ROOT / "langgraph.json").read_text(encoding="utf-8"))
    with referee_sandbox() as (sandbox, files):
        token = files / "token"
        token.write_text(sandbox.access_token(), encoding="utf-8")
        yield from _cases("the server alone", suite, {}, sandbox, token)
        yield from _cases("behind the guards", suite, guarded, sandbox, token)


def configuration(own: Mapping[str, Any], graphs: Path, folder: Path) -> dict[str, Any]:
    """`langgraph.json` in `folder` with the suite's graphs, and the guards of `own` if it has any."""
    paths = {name: f"{graphs}/{path}" for name, path in GRAPHS.items()}
    made: dict[str, Any] = {"dependencies": ["."], "graphs": _relative(paths, folder)}
    if "auth" in own:
        entry = {"path": str(ROOT / own["auth"]["path"])}
        app = {"app": str(ROOT / "tests" / "referees" / "langgraph_app.py:app")}
        made["auth"] = own["auth"] | _relative(entry, folder)
        made["http"] = own["http"] | _relative(app, folder)
    return made


def _relative(paths: Mapping[str, str], folder: Path) -> dict[str, str]:
    return {name: f"./{os.path.relpath(path, folder)}" for name, path in paths.items()}


def _cases(group: str, suite: Path, own: Mapping[str, Any], sandbox: Sandbox, token: Path) -> Iterable[Case]:
    with tempfile.TemporaryDirectory(prefix="langgraph-") as name:
        folder = Path(name)
        config = json.dumps(configuration(own, suite / "integration" / "graph", folder))
        variables = {"REFEREE_TOKEN_FILE": str(token)}
        with langgraph_dev(sandbox, folder, config=config, **variables) as server:
            yield from played(group, suite, server.url)


def played(group: str, suite: Path, url: str) -> Iterable[Case]:
    """The cases of the suite in `libs/sdk-py`, against the server at `url`."""
    with tempfile.TemporaryDirectory(prefix="langgraph-") as name:
        report = Path(name) / "report.xml"
        pytest_alone = str(Path(sys.executable).with_name("pytest"))  # imports the installed SDK
        command = [pytest_alone, "tests/integration", "-m", "integration", "-q", "--tb=line"]
        command += ["-p", "no:randomly", "-p", "no:cacheprovider", "-p", "no:xdist"]
        command += ["-p", "tests.referees.address_of_server"]
        command += [f"--timeout={_SECONDS}", f"--junitxml={report}"]
        given = os.environ | {
            "LANGGRAPH_INTEGRATION_URL": url,
            "LANGSMITH_TRACING": "false",
            "PYTHONPATH": str(ROOT),
        }
        subprocess.run(command, check=False, cwd=suite, env=given, stdout=subprocess.DEVNULL)
        yield from cases(group, report)
