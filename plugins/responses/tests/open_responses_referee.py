"""Open Responses' compliance cases against the Responses API of the agent.

The suite is TypeScript that its project runs with Bun. Here the packages of `tests/front_ends` have what it
needs: esbuild, which makes one script of it, and zod.
"""

import json
import os
import subprocess
import tempfile
from collections.abc import Iterable
from pathlib import Path
from typing import Any, Final

from langchain_core.messages import AIMessage

from tests.front_ends.node_script import FOLDER, NODE
from tests.graph.scripted_model import ScriptedModel
from tests.referees.referee import SKIPPED, Case
from tests.referees.served_agent import served_agent

_PACKAGES: Final = FOLDER / "node_modules"


def run(folder: Path) -> Iterable[Case]:
    """Each case of the suite, by HTTP or by WebSocket."""
    model = ScriptedModel(turns=[AIMessage("Ahoy!")])
    with served_agent(model, LLM_IMAGES="1") as agent, tempfile.TemporaryDirectory() as name:
        script = _script(folder, Path(name))
        token = agent.sandbox.access_token("alice")
        command = [
            NODE,
            str(script),
            "--json",
            "--base-url",
            f"{agent.url}/openai/v1",
            "--model",
            "qwen-plus",
        ]
        environment = os.environ | {"OPENRESPONSES_API_KEY": token}
        done = subprocess.run(  # noqa: S603 - our own command
            command, env=environment, capture_output=True, text=True, check=False
        )
    return [_case(result) for result in json.loads(done.stdout)["results"]]


def _script(folder: Path, into: Path) -> Path:
    bundle = into / "compliance.mjs"
    options = ["--bundle", "--platform=node", "--format=esm", "--log-level=error", f"--outfile={bundle}"]
    command = [str(_PACKAGES / ".bin" / "esbuild"), str(folder / "bin" / "compliance-test.ts"), *options]
    environment = os.environ | {"NODE_PATH": str(_PACKAGES)}
    subprocess.run(command, env=environment, check=True)  # noqa: S603 - our own command
    return bundle


def _case(result: dict[str, Any]) -> Case:
    fault = "; ".join(result.get("errors") or [])
    if result["status"] == "skipped":
        fault = f"{SKIPPED}{fault}"
    group = "WebSocket" if result["id"].startswith("websocket") else "HTTP"
    return Case(group, result["id"], fault)
