"""The Technology Compatibility Kit of A2A 1.0, over JSON-RPC, which the agent's card names.

It sends no token: the agent gets one that is Alice's. What its scenarios call an input that is required is
here an approval.
"""

import re
import subprocess
import sys
import tempfile
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any, Final

from langchain_core.messages import AIMessage, AIMessageChunk, AnyMessage
from langchain_core.outputs import ChatGenerationChunk

from tests.graph.scripted_model import ScriptedModel
from tests.leave_application import APPLIES
from tests.referees.junit_report import cases
from tests.referees.referee import SKIPPED, Case
from tests.referees.served_agent import served_agent

_OTHERS: Final = re.compile(
    r"Transport '(grpc|http_json)'|(HTTP\+JSON|gRPC) transport|No requirements at this level"
)
"""Tests of transports that the card does not name."""
_LEVELS: Final = ("must", "should", "may")
_TURNS: Final = {
    "tck-input-required": APPLIES,
    "tck-artifact-text": AIMessage("Generated text content"),
    "": AIMessage("Hello from TCK"),
}
"""What the kit's scenarios want, by a part of the id of the message that asks for it."""


class _Executor(ScriptedModel):
    """A model that sends each response as one piece, without a space at its end."""

    async def _astream(self, messages: Any, stop: Any = None, run_manager: Any = None, **options: Any) -> Any:
        turn = self._turn(messages, options)
        if turn.tool_calls:
            async for chunk in super()._astream(messages, stop, run_manager, **options):
                yield chunk
        else:
            metadata = turn.response_metadata
            yield ChatGenerationChunk(message=AIMessageChunk(turn.text, response_metadata=metadata))


def _turn(messages: Sequence[AnyMessage]) -> AIMessage:
    asked = messages[-1].id or ""
    return next(turn for part, turn in _TURNS.items() if part in asked)


def run(folder: Path) -> Iterable[Case]:
    """The tests of each level."""
    model = _Executor(turns=[_turn])
    with served_agent(model, signs_in=True) as agent, tempfile.TemporaryDirectory() as reports:
        for level in _LEVELS:
            report = Path(reports) / f"{level}.xml"
            command = [sys.executable, "-m", "pytest", "tests/compatibility", "-m", level, "-q"]
            command += [f"--sut-host={agent.url}", "--transport=jsonrpc", f"--junitxml={report}"]
            command += ["-p", "no:randomly", "-p", "no:cacheprovider", "-p", "no:xdist", "--tb=line"]
            subprocess.run(command, check=False, cwd=folder, stdout=subprocess.DEVNULL)
            yield from _cases(level, report)


def _cases(level: str, report: Path) -> Iterator[Case]:
    """Those of the report, without the tests of other transports."""
    for case in cases(level, report):
        if not (case.is_skipped and _OTHERS.match(case.fault.removeprefix(SKIPPED))):
            yield case
