"""What the caller sees of each fault of each service, at the first request and when warm; and that it mends.

The expectations are `faults.json`; `docs/faults.md` is made from it.
"""

import asyncio
import json
import runpy
from pathlib import Path

import pytest

from identity.retry import RetryPolicy
from sandbox.faults import Fault
from tests.end_to_end.conftest import ENTERPRISE, GREETING, WEATHER, Answer

pytestmark = pytest.mark.promise("heals-by-itself")

ROOT = Path(__file__).parents[2]
EXPECTED = json.loads((Path(__file__).parent / "faults.json").read_text(encoding="utf-8"))
SERVICES = {
    "IDaaS: token endpoint": ("idaas.token", GREETING),
    "IDaaS: Developer API": ("developer_api", GREETING),
    "IDaaS: JWKS": ("idaas.jwks", GREETING),
    "Model service": ("model_studio", GREETING),
    "External MCP server": ("amap", WEATHER),
    "Enterprise service": ("function_compute", ENTERPRISE),
}
FAULTS = {
    "connection cut": Fault(drop=True),
    "no answer in time": Fault(hang=True),
    "429": Fault(status=429),
    "429 with `Retry-After: 30`": Fault(status=429, retry_after=30),
    "500": Fault(status=500),
    "half an answer": Fault(broken_body=True),
    "byte by byte": Fault(drip=0.1),
}


def seen(answer: Answer) -> str:
    """What the caller sees, in a few words."""
    if answer.status != 200:
        return f"{answer.status} `{answer.code}`"
    failed = [event["error"] for event in answer.tool_events if event.get("ok") is False]
    broken = [chunk["error"]["code"] for chunk in answer.chunks if "error" in chunk]
    if failed:
        return f"200, tool: `{failed[0]}`"
    return f"200, then `{broken[0]}`" if broken else "200"


def called(answer: Answer) -> bool:
    return any(event["type"] == "tool_finished" and event["ok"] for event in answer.tool_events)


@pytest.mark.parametrize("fault", FAULTS)
@pytest.mark.parametrize("service", SERVICES)
async def test_a_fault_is_seen_as_the_table_says_and_mends(start_agent, sandbox, service, fault):
    name, question = SERVICES[service]
    slow = fault in ("no answer in time", "byte by byte", "429 with `Retry-After: 30`")
    short = {"MODEL_TIMEOUT_SECONDS": "1"} if slow and name == "model_studio" else {}
    if slow and name in ("amap", "function_compute"):
        short = {"TOOL_TIMEOUT_SECONDS": "1"}
    agent = await start_agent("Human", **short)
    deadline = 0.3 if slow and name in ("idaas.token", "developer_api") else 30.0
    agent.composed.idaas._retries = RetryPolicy(deadline=deadline, sleep=lambda _: asyncio.sleep(0))
    if slow and name == "idaas.jwks":
        agent.composed.jwks._timeout = 0.3
    found, token = {}, sandbox.access_token()
    for moment in ("first", "warm"):
        sandbox.cloud.faults.set(name, FAULTS[fault])
        found[moment] = seen(await agent.ask(question, token, stream=True))
        sandbox.cloud.faults.clear()
        sandbox.clock.advance(61)  # past every pause on this clock
        agent.composed.services[0]._paused_until = None  # and past the one on the machine's
        for key in list(agent.composed.services[0]._sessions):  # and an opening that hangs is given up
            agent.composed.services[0]._drop(key)
        mended = await agent.ask(question, token, stream=True)
        assert seen(mended) == "200"
        assert called(mended) == (question != GREETING)
    assert found == EXPECTED[service][fault]


def test_the_document_says_what_is_expected():
    page = runpy.run_path(str(ROOT / "scripts" / "fault_table.py"))["fault_table"]()
    assert (ROOT / "docs" / "faults.md").read_text(encoding="utf-8") == page


def test_every_service_and_fault_is_in_the_table():
    assert {service: list(faults) for service, faults in EXPECTED.items()} == {
        service: list(FAULTS) for service in SERVICES
    }
