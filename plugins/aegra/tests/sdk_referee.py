"""The integration tests of LangGraph's SDK for Python: the suite's own graphs on Aegra.

Each test is run twice: against Aegra alone, and behind the agent's guards. What Aegra alone fails is not the
guards'. The suite sends no token: behind the guards a request without one is Alice's.
"""

import json
import tempfile
from collections.abc import Iterable, Mapping
from contextlib import ExitStack
from pathlib import Path
from typing import Any, Final

from plugins.aegra.tests.apart.aegra_process import ROOT, aegra
from tests.databases.postgres_process import PostgresProcess, postgres_process
from tests.databases.redis_process import RedisProcess, redis_process
from tests.referees.langgraph_sdk import played
from tests.referees.referee import Case
from tests.referees.served_agent import referee_sandbox
from tests.suite import Sandbox

_APART: Final = "plugins.aegra.tests.apart"
_ALONE: Final = {"http": {"app": f"{_APART}.unguarded_application:app"}}


def run(folder: Path) -> Iterable[Case]:
    """The tests of each server."""
    suite = folder / "libs" / "sdk-py"
    guarded = json.loads((ROOT / "aegra.json").read_text(encoding="utf-8"))
    with ExitStack() as stack:
        sandbox, files = stack.enter_context(referee_sandbox())
        postgres = stack.enter_context(postgres_process(password="postgres-password"))
        redis = stack.enter_context(redis_process(files))
        (files / "token").write_text(sandbox.access_token(), encoding="utf-8")
        servers = sandbox, files / "token", postgres, redis
        yield from _cases("Aegra alone", suite, _ALONE, *servers)
        yield from _cases("behind the guards", suite, guarded, *servers)


def configuration(own: Mapping[str, Any], graphs: Path) -> dict[str, Any]:
    """Aegra's configuration with the suite's graphs, and what else `own` has."""
    here = Path(__file__).parent / "apart" / "referee_graphs.py"
    paths = {"agent": f"{here}:agent", "tools_agent": f"{here}:tools_agent"}
    paths["factory_agent"] = f"{graphs}/factory_graph.py:make_graph"
    made = dict(own) | {"graphs": paths}
    if "auth" in own:
        made["auth"] = own["auth"] | {"path": str(ROOT / own["auth"]["path"])}
    return made


def _cases(
    group: str,
    suite: Path,
    own: Mapping[str, Any],
    sandbox: Sandbox,
    token: Path,
    postgres: PostgresProcess,
    redis: RedisProcess,
) -> Iterable[Case]:
    with tempfile.TemporaryDirectory(prefix="aegra-") as name:
        folder = Path(name)
        config = folder / "aegra.json"
        graphs = suite / "integration" / "graph"
        config.write_text(json.dumps(configuration(own, graphs)))
        variables = {
            "AEGRA_CONFIG": str(config),
            "REFEREE_GRAPHS": str(graphs),
            "REFEREE_TOKEN_FILE": str(token),
        }
        application = f"{_APART}.referee_application:app"
        with aegra(sandbox, folder, postgres, redis, variables, application=application) as server:
            server.start(workers=2)
            yield from played(group, suite, server.url)
