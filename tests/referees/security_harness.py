"""The suites of agent-security-harness that speak to an agent: MCP, A2A, identity, memory, delegation, people
in the loop, and the kill switch.

MCP's and A2A's speak to the agent itself. The others have dialects of their own, for which an adapter stands
before the agent (`tests.referees.security_adapter`): it passes on the token that a suite sends, or none. What
a suite calls inconclusive was left out by it.
"""

import contextlib
import io
import sys
import tempfile
import time
import uuid
from collections.abc import Iterable, Iterator
from importlib import import_module
from pathlib import Path
from typing import Any, Final

import httpx

from sandbox.state.directory import AGENT_AUDIENCE, LEAVE_AUDIENCE
from tests.agent.conftest import AgentServer
from tests.graph.scripted_model import ScriptedModel
from tests.loopback import NO_TLS
from tests.referees.referee import SKIPPED, Case
from tests.referees.security_adapter import TOOL, Adapter, turn
from tests.referees.served_agent import served_agent

_BURST: Final = 25
"""Approvals that the suite asks for at once, by default."""
_MOST_REQUESTS: Final = "40"
"""In a minute, of the agent for this suite alone."""
_CODE: Final = f"""
from idaas_agent import Effect, ToolPolicy


def service(office, settings):
    @office.tool(policy=ToolPolicy(Effect.WRITE))
    async def {TOOL}(http, action: str, target: str) -> str:
        \"\"\"Does something in the office.\"\"\"
        return "done"
"""
_MCP: Final = {"elicitation": {"form": {}}}
"""The client can show questions."""


def run(folder: Path) -> Iterable[Case]:
    """The tests of each suite."""
    sys.path.insert(0, str(folder))
    with contextlib.redirect_stdout(io.StringIO()), tempfile.TemporaryDirectory(prefix="office-") as name:
        variables = _written(Path(name))
        with served_agent(ScriptedModel(turns=[turn]), **variables) as agent:
            yield from _mcp(agent)
            yield from _a2a(agent)
            with Adapter(agent.url) as url:
                yield from _identity(agent, url)
                yield from _memory(agent, url)
                yield from _delegation(agent, url)
            yield from _kill_switch(agent)
        variables |= {"MAX_REQUESTS_PER_MINUTE": _MOST_REQUESTS}
        with served_agent(ScriptedModel(turns=[turn]), **variables) as bounded, Adapter(bounded.url) as url:
            yield from _hitl(bounded, url)


def _written(files: Path) -> dict[str, str]:
    """Writes the agent's files: a service with a tool that asks, by which the user's calls are made."""
    (files / "office.py").write_text(_CODE)
    (files / "services.toml").write_text(
        "[services.office]\n"
        'type = "http"\n'
        'url = "https://office.example"\n'
        f'access_token = "{LEAVE_AUDIENCE}|leave.write"\n'
        'python = "office.py:service"\n'
    )
    return {
        "SERVICES_FILE": str(files / "services.toml"),
        "REVOCATIONS_FILE": str(files / "revocations.sqlite"),
    }


def _suite(name: str) -> Any:
    return import_module(f"protocol_tests.{name}_harness")


def _mcp(agent: AgentServer) -> Iterator[Case]:
    """Both protocol versions. Bob is the other principal; the other resource server is the leave service."""
    suite = _suite("mcp")
    bob = agent.headers("bob")
    elsewhere = agent.sandbox.access_token(audience=LEAVE_AUDIENCE, permissions=("leave.write",))
    foreign = agent.sandbox.access_token(iss="https://other.example")
    assert AGENT_AUDIENCE != LEAVE_AUDIENCE

    def call(target: str) -> dict[str, Any]:
        arguments = {"action": "order", "target": target}
        return {"method": "tools/call", "params": {"name": TOOL, "arguments": arguments}}

    def ask(**arguments: str) -> dict[str, Any]:
        return {"method": "tools/call", "params": {"name": "ask", "arguments": arguments}}

    def listed() -> dict[str, Any]:
        return {"method": "tools/list", "params": {}}

    options = {
        "mrtr_probe": call("chairs"),
        "mrtr_altered_probe": call("tables"),
        "mrtr_input_responses": {"answer": {"action": "accept", "content": {"approve": True}}},
        "mrtr_attacker_headers": bob,
        "handle_create": ask(question="Hello") | {"handlePath": "result.structuredContent.conversation"},
        "handle_access": ask(question="And then?", conversation="$HANDLE"),
        "handle_attacker_headers": bob,
        "issuer_probe": listed(),
        "issuer_attacker_headers": {"Authorization": f"Bearer {foreign}"},
        "audience_attacker_headers": {"Authorization": f"Bearer {elsewhere}"},
    }
    for version in (None, "2026-07-28"):
        transport = suite.StreamableHTTPTransport(
            f"{agent.url}/mcp", headers=agent.headers(), protocol_version=version, client_capabilities=_MCP
        )
        tests = suite.MCPSecurityTests(transport, json_output=True, **options)
        yield from cases(f"mcp, {version or '2025-03-26'}", tests.run_all())


def _a2a(agent: AgentServer) -> Iterator[Case]:
    """The suite's messages have no `messageId`, which A2A requires: they get one on the way."""
    suite = _suite("a2a")
    transport = suite.A2ATransport(f"{agent.url}/a2a", headers=agent.headers())
    send = transport.rpc

    def with_id(method: str, params: dict[str, Any] | None = None) -> Any:
        message = (params or {}).get("message")
        if isinstance(message, dict):
            params = (params or {}) | {"message": {"messageId": uuid.uuid4().hex} | message}
        return send(method, params)

    transport.rpc = with_id
    at_root = suite.A2ATransport(agent.url, headers=agent.headers())
    transport.get = at_root.get
    tests = suite.A2ASecurityTests(transport, agent_card_path="/.well-known/agent-card.json")
    yield from cases("a2a", tests.run_all())


def _identity(agent: AgentServer, url: str) -> Iterator[Case]:
    suite = _suite("identity")
    yield from cases("identity", suite.IdentitySecurityTests(url, headers=agent.headers()).run_all())


def _memory(agent: AgentServer, url: str) -> Iterator[Case]:
    yield from cases("memory", _suite("memory").MemoryTests(url, headers=agent.headers()).run_all())


def _delegation(agent: AgentServer, url: str) -> Iterator[Case]:
    tests = _suite("delegation_chain").DelegationChainTests(url, headers=agent.headers())
    yield from cases("delegation-chain", tests.run_all())


def _hitl(agent: AgentServer, url: str) -> Iterator[Case]:
    """Bob asks for a flood of approvals, and Alice for the others."""
    suite = _suite("hitl")
    flood = suite.HITLSecurityTests(url, agent.headers("bob"), burst=2 * _BURST)
    flood.test_hitl_001_approval_flood()
    others = suite.HITLSecurityTests(url, agent.headers(), burst=5)
    others.run_all()
    yield from cases("hitl", [*flood.results, *others.results[1:]])


def _kill_switch(agent: AgentServer) -> Iterator[Case]:
    """The switch ends the rights of the user at IDaaS, which reports it to the agent; they return before a
    test that needs an agent which responds.
    """
    agent.sandbox.cloud.user_events_url = f"{agent.url}/events/idaas"
    users = agent.sandbox.url("/__sandbox__/users/alice", "idaas_plain")

    def set_rights(action: str) -> None:
        time.sleep(1)  # IDaaS's events have whole seconds
        httpx.post(f"{users}/{action}", timeout=30, verify=NO_TLS).raise_for_status()

    with Adapter(agent.url, kill=lambda: set_rights("disable")) as url:
        tests = _suite("kill_switch").KillSwitchTests(url, headers=agent.headers())
        tests._surface.baseline()  # the suite's own, which otherwise comes after the switch
        tests.test_ir_009_kill_switch_latency()
        tests.test_ir_011_kill_switch_bypass()
        set_rights("enable")
        tests.test_ir_010_post_termination_prevention()
        set_rights("enable")
        tests.test_ir_012_graceful_degradation()
        set_rights("enable")
    yield from cases("kill-switch", tests.results)


def cases(group: str, results: Iterable[Any]) -> Iterator[Case]:
    """A case for each result. What the suite cannot judge was left out, and what it only tells passes."""
    for result in results:
        undecided = getattr(result, "not_evaluated", False) or "INCONCLUSIVE" in result.details
        undecided = undecided or getattr(result, "category", "") == "inconclusive"
        fault = "" if result.passed else result.details
        if fault and undecided:
            fault = SKIPPED + result.details
        elif getattr(result, "informational", False):
            fault = f"{SKIPPED}information: {result.details}"
        yield Case(group, f"{result.test_id} {result.name}", " ".join(fault.split()))
