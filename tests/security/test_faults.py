"""What the caller sees of each fault of each service: at the first request, when warm, and in the middle of
a run; how often the service is asked for the caller's one request; and that the agent recovers.

The expectations are `faults.json`; `docs/faults.md` is made from it.
"""

import asyncio
import json
import runpy
from collections import Counter
from dataclasses import dataclass, field, replace
from pathlib import Path
from urllib.parse import parse_qs

import httpx
import pytest

from identity.transport.retry import RetryPolicy
from sandbox.faults.faults import Fault
from sandbox.server.server import SandboxOptions, start_sandbox
from tests.clock import SettableClock
from tests.running_agent import ENTERPRISE, GREETING, WEATHER, Answer

pytestmark = pytest.mark.promise("heals-by-itself")

ROOT = Path(__file__).parents[2]
EXPECTED = json.loads((Path(__file__).parent / "faults.json").read_text(encoding="utf-8"))
FAULTS = {
    "connection refused": Fault(refuse=True),
    "certificate expired": Fault(expired_certificate=True),
    "connection cut": Fault(drop=True),
    "cut in the middle of the body": Fault(cut_body=True),
    "no answer in time": Fault(hang=True),
    "byte by byte": Fault(drip=0.1),
    "429": Fault(status=429),
    "429 with `Retry-After: 30`": Fault(status=429, retry_after=30),
    "500": Fault(status=500),
    "malformed JSON": Fault(broken_body=True),
    "200 with a web page": Fault(web_page=True),
}
SLOW = {"no answer in time", "byte by byte"}
REFUSED_ONCE = Fault(status=401, times=1)


@dataclass(frozen=True)
class Row:
    """A service, a question that needs it, one that calls a tool, and the refusal before a use in mid-run."""

    service: str
    question: str
    with_tool: str
    refused: str | None = None


ROWS = {
    "IDaaS: token endpoint": Row("idaas.token", GREETING, ENTERPRISE, refused="function_compute"),
    "IDaaS: Developer API": Row("developer_api", GREETING, WEATHER, refused="amap"),
    "IDaaS: JWKS": Row("idaas.jwks", GREETING, ENTERPRISE),
    "Model service": Row("model_studio", GREETING, ENTERPRISE),
    "External MCP server": Row("amap", WEATHER, WEATHER),
    "Enterprise service": Row("function_compute", ENTERPRISE, ENTERPRISE),
}


@dataclass
class Asked:
    """The number of equal requests at one port."""

    port: int
    times: Counter[tuple[str, ...]] = field(default_factory=Counter)

    async def record(self, request: httpx.Request) -> None:
        """An event hook, which also sees requests that never arrive."""
        if request.url.port == self.port:
            body = (await request.aread()).decode()
            thing = parse_qs(body).get("scope", [""])[0]
            if body.startswith("{"):
                asked = json.loads(body)
                thing = asked.get("method") or str(len(asked.get("messages", ())))
            self.times[request.method, str(request.url), thing] += 1

    def most(self) -> int:
        return max(self.times.values(), default=0)


@pytest.fixture(scope="module")
def running_sandbox(tmp_path_factory):
    """A sandbox with its own port for each service, so that one service alone can refuse connections."""
    clock = SettableClock()
    ports = dict.fromkeys(("idaas_port", "idaas_plain_port", "model_studio_port", "function_compute_port"), 0)
    separate = ("idaas.token", "idaas.jwks", "developer_api", "amap")
    folder = tmp_path_factory.mktemp("separate")
    with start_sandbox(SandboxOptions(folder=folder, separate=separate, clock=clock, **ports)) as running:
        yield running, clock


@pytest.fixture
def variables(sandbox, tmp_path):
    """Configures the agent for those ports."""
    ports, environment = sandbox.running.ports, sandbox.environment

    def at(url: str, service: str, listener: str) -> str:
        return url.replace(f":{ports[listener]}", f":{ports[service]}")

    written = json.loads(Path(environment["CLOUD_IDAAS_CONFIG_PATH"]).read_text(encoding="utf-8"))
    written["tokenEndpoint"] = at(written["tokenEndpoint"], "idaas.token", "idaas")
    written["developerApiEndpoint"] = at(written["developerApiEndpoint"], "developer_api", "idaas")
    file = tmp_path / "client-config.json"
    file.write_text(json.dumps(written), encoding="utf-8")
    return {
        "CLOUD_IDAAS_CONFIG_PATH": str(file),
        "JWKS_ENDPOINT": at(environment["JWKS_ENDPOINT"], "idaas.jwks", "idaas"),
        "EXTERNAL_SERVER_URL": at(environment["EXTERNAL_SERVER_URL"], "amap", "model_studio"),
        "MODEL_TIMEOUT_SECONDS": "30",
        "TOOL_TIMEOUT_SECONDS": "30",
    }


def seen(answer: Answer) -> str:
    """The outcome for the caller in short form."""
    if answer.status != 200:
        return f"{answer.status} `{answer.code}`"
    failed = [event["error"] for event in answer.tool_events if event.get("ok") is False]
    broken = [chunk["error"]["code"] for chunk in answer.chunks if "error" in chunk]
    if failed:
        return f"200, tool: `{failed[0]}`"
    return f"200, then `{broken[0]}`" if broken else "200"


def called(answer: Answer) -> bool:
    return any(event["type"] == "tool_finished" and event["ok"] for event in answer.tool_events)


def impatient(composed, *, slow: bool, drip: bool) -> None:
    """The same numbers of attempts without waits, and short time limits of IDaaS if its fault is `slow`."""
    composed.idaas.retries = RetryPolicy(deadline=0.3 if drip else 30.0, sleep=lambda _: asyncio.sleep(0))
    composed.model.chat.root_async_client._calculate_retry_timeout = lambda *_: 0.0
    if slow:
        composed.idaas._timeout = httpx.Timeout(5.0 if drip else 0.2)
        composed.jwks.timeout = 0.3


@pytest.mark.parametrize("fault", FAULTS)
@pytest.mark.parametrize("title", ROWS)
async def test_a_fault_has_its_documented_outcome_and_recovers(start_agent, sandbox, variables, title, fault):
    row, slow = ROWS[title], fault in SLOW
    if slow:
        tools = row.service in ("amap", "function_compute")
        variables |= {"TOOL_TIMEOUT_SECONDS": "1.2"} if tools else {}
        variables |= {"MODEL_TIMEOUT_SECONDS": "2"} if row.service == "model_studio" else {}
    if row.service == "idaas.jwks":  # the keys are fetched as the agent starts
        sandbox.cloud.faults.set(row.service, FAULTS[fault])
    agent = await start_agent("Human", **variables)
    composed = agent.composed
    if row.service == "idaas.jwks":
        composed._warm_up.cancel()
        await composed.readiness.aclose()
    else:
        await agent.warm()
    idaas_timeout = composed.idaas._timeout
    slow_idaas = slow and row.service.startswith(
        ("idaas.", "developer_api")
    )  # a busy machine needs the others'
    impatient(composed, slow=slow_idaas, drip=slow_idaas and fault == "byte by byte")
    asked = Asked(sandbox.running.ports[row.service])
    amap = next(service for service in composed.services if service.name == "amap")
    for http in (composed.http, composed.model.chat.http_async_client, *(s._http for s in composed.services)):
        hooks = http.event_hooks
        http.event_hooks = {**hooks, "request": [*hooks.get("request", ()), asked.record]}

    found, token = {}, sandbox.access_token()
    for moment in ("first", "warm", "mid"):
        question, begins = row.question, FAULTS[fault]
        if moment == "mid":
            question, begins = row.with_tool, replace(begins, after=1, after_service="model_studio")
            if row.refused:
                sandbox.cloud.faults.set(row.refused, REFUSED_ONCE)
        sandbox.cloud.faults.set(row.service, begins)
        asked.times.clear()
        answer = await agent.ask(question, token, stream=True)
        found[moment] = f"{seen(answer)} ({asked.most()})"
        sandbox.cloud.faults.clear()
        sandbox.clock.advance(61)  # past every pause on this clock
        if slow:  # and past the one on the machine's, and an opening that hangs is given up
            amap._paused_until = None
            for opening in list(amap._sessions._openings._flights.values()):
                opening.cancel()
        # The short limits are for the fault: a busy machine may need longer for a whole answer.
        short = composed.idaas._timeout, composed.idaas.retries
        composed.idaas._timeout, composed.idaas.retries = idaas_timeout, RetryPolicy()
        recovered = await agent.ask(row.with_tool, token, stream=True)
        composed.idaas._timeout, composed.idaas.retries = short
        assert seen(recovered) == "200"
        assert called(recovered)
    assert found == EXPECTED[title][fault]


def test_the_document_contains_the_expected_outcomes():
    page = runpy.run_path(str(ROOT / "scripts" / "fault_table.py"))["fault_table"]()
    assert (ROOT / "docs" / "faults.md").read_text(encoding="utf-8") == page


def test_every_service_and_fault_is_in_the_table():
    assert {title: list(faults) for title, faults in EXPECTED.items()} == {
        title: list(FAULTS) for title in ROWS
    }


@pytest.mark.parametrize(
    ("service", "fault", "status", "wait"),
    [
        ("model_studio", Fault(status=429, retry_after=30), 429, "30"),
        ("model_studio", Fault(status=503, retry_after=90_000), 503, "3600"),
        ("model_studio", Fault(status=429), 429, "5"),
        ("developer_api", Fault(status=429, retry_after=30), 503, "30"),
    ],
)
async def test_retry_after_of_a_service_is_passed_on(start_agent, sandbox, service, fault, status, wait):
    agent = await start_agent("Human")
    agent.composed.model.chat.root_async_client._calculate_retry_timeout = lambda *_: 0.0
    sandbox.cloud.faults.set(service, fault)
    answer = await agent.ask(GREETING, sandbox.access_token(), stream=True)
    assert (answer.status, answer.headers["retry-after"]) == (status, wait)


async def test_web_page_of_a_gateway_is_a_failure_without_a_stream_too(start_agent, sandbox):
    agent = await start_agent("Human")
    sandbox.cloud.faults.set("model_studio", Fault(web_page=True))
    answer = await agent.ask(GREETING, sandbox.access_token())
    assert (answer.status, answer.code) == (503, "model_call_failed")
