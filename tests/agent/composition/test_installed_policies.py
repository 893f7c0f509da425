"""A policy of another package decides about calls: twenty lines and an entry point."""

import asyncio
import re
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from langchain_core.messages import ToolCall

from agent.composition.agent import Agent
from agent.settings.settings import read_settings
from graph.approvals.pending_call import PendingCall
from graph.approvals.policy import Allow, Deny
from identity.errors import ConfigurationError
from identity.secrets.secret import Secret
from tests.graph.approvals.conftest import ALICE
from tests.graph.memory_seams import Tokens
from tests.suite import Sandbox
from tools.service import node_of

pytestmark = pytest.mark.promise("policy-decides")

PAGE = (Path(__file__).parents[3] / "docs" / "own-policy.md").read_text("utf-8")
FROZEN = Deny(reason="not run: changes are frozen today", rules=("freeze",))
[FREEZE] = re.findall(r"<!-- freeze_policy.py -->\n```python\n(.*?)```", PAGE, re.DOTALL)


@pytest.fixture
def frozen(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """The file of the page's policy, which an installed package has."""
    file = tmp_path / "freeze"
    (tmp_path / "freeze_policy.py").write_text(FREEZE.replace('Path("freeze")', f"Path({str(file)!r})"))
    metadata = tmp_path / "freeze_package-1.0.dist-info"
    metadata.mkdir()
    (metadata / "METADATA").write_text("Metadata-Version: 2.1\nName: freeze-package\nVersion: 1.0\n")
    entry = "[idaas_agent.policies]\nfreeze = freeze_policy:freeze\n"
    (metadata / "entry_points.txt").write_text(entry)
    monkeypatch.syspath_prepend(str(tmp_path))
    yield file
    sys.modules.pop("freeze_policy", None)


def call(tool: str, service: str) -> PendingCall:
    requested = ToolCall(name=tool, args={}, id="call_1", type="tool_call")
    return PendingCall(requested, service, "r1", ALICE, None)


def test_policy_that_cannot_be_imported_stops_the_start(frozen: Path, sandbox: Sandbox) -> None:
    metadata = frozen.parent / "lost_package-1.0.dist-info"
    metadata.mkdir()
    (metadata / "METADATA").write_text("Metadata-Version: 2.1\nName: lost-package\nVersion: 1.0\n")
    (metadata / "entry_points.txt").write_text("[idaas_agent.policies]\nlost = not_installed:policy\n")
    with pytest.raises(ConfigurationError) as refused:
        Agent(read_settings(sandbox.environment))
    [fault] = refused.value.faults
    assert fault.startswith('entry point "lost" cannot be used: it raised ModuleNotFoundError')


async def test_policy_of_another_package_denies_what_it_says_and_nothing_else(
    frozen: Path, sandbox: Sandbox
) -> None:
    agent = Agent(read_settings(sandbox.environment), clock=sandbox.clock)
    caller = await Tokens().verify(Secret("alice-at"))
    nodes = {service.name: service for service in agent.services}
    writes = call("leave_apply", node_of(nodes, "leave", "leave_apply"))
    reads = call("maps_weather", "amap")
    assert (await agent.gate.verdict(writes, caller)) != FROZEN
    await asyncio.to_thread(frozen.touch)
    assert (await agent.gate.verdict(writes, caller)) == FROZEN
    assert isinstance(await agent.gate.verdict(reads, caller), Allow)
    await agent.aclose()
