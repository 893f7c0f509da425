"""OpenAI's Agents SDK against the Responses API of the agent, with the packages of its own folder alone."""

import json
import os
import subprocess
import sys
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Final

from langchain_core.messages import AIMessage, AnyMessage, ToolMessage

from tests.graph.scripted_model import ScriptedModel, calls
from tests.leave_application import APPLIES
from tests.referees.referee import Case
from tests.referees.served_agent import served_agent

_PROGRAM: Final = Path(__file__).with_name("agents_sdk_cases.py")


def run(folder: Path) -> Iterable[Case]:
    """What apps do with the SDK."""
    with served_agent(ScriptedModel(turns=[_turn])) as agent:
        command = [sys.executable, "-S", str(_PROGRAM), agent.url, agent.sandbox.access_token("alice")]
        environment = {name: value for name, value in os.environ.items() if name != "SSL_CERT_FILE"}
        done = subprocess.run(  # noqa: S603 - our own command
            command, env=environment | {"PYTHONPATH": str(folder)}, capture_output=True, text=True, check=True
        )
    for line in done.stdout.splitlines():
        result = json.loads(line)
        yield Case("agents", result["name"], " ".join(result["fault"].split()))


def _turn(messages: Sequence[AnyMessage]) -> AIMessage:
    last = messages[-1]
    if isinstance(last, ToolMessage):
        return AIMessage("done")
    if "weather" in last.text:
        return calls(("maps_weather", {"city": "Hangzhou"}))
    if "leave" in last.text:
        return APPLIES
    return AIMessage('{"high": 31}' if "form" in last.text else "Hello")
