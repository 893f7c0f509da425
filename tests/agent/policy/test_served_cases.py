"""The file of docs/policy.md through a served agent and through the graph as Aegra's workers execute it, in
both access identities: real tools over HTTP, a real store, and an approver over HTTP.
"""

import itertools
import json
from collections.abc import Awaitable, Callable
from datetime import datetime
from pathlib import Path
from typing import Any, Protocol

import pytest
from langchain_core.messages import ToolMessage
from langgraph.checkpoint.memory import InMemorySaver
from langgraph.types import Command
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from agent.api.langgraph.aegra.graph import ContinuedGraph
from agent.composition.agent import Agent
from agent.policy.situation import FAILED
from agent.settings.settings import read_settings
from graph.models.provider import ChatModelProvider
from identity.secrets.secret import Secret
from tests.agent.api.threads.served_threads import Threads, ThreadsOf
from tests.agent.policy.company import RULES, ZONE
from tests.agent.policy.decision_points import DecisionPoint, company_rules
from tests.agent.policy.test_agent import DENIED, look_again, publish
from tests.graph.scripted_model import DONE, ScriptedModel, calls
from tests.suite import Sandbox

pytestmark = pytest.mark.promise("policy-decides")

MONDAY = datetime(2026, 11, 30, 10, tzinfo=ZONE).timestamp()
TOOLS = '''
def service(expenses, settings):
    @expenses.tool
    async def submit_expense(http, amount: float, reason: str) -> str:
        """Submits an expense."""
        return (await http.post("submit", json={"amount": amount})).text

    @expenses.tool
    async def pay_out(http, report: str) -> str:
        """Pays a report."""
        return (await http.post("pay", json={})).text

    @expenses.tool
    async def list_expenses(http) -> str:
        """Lists the expenses."""
        return (await http.post("list", json={})).text
'''
SERVICES = """[services.expenses]
type = "http"
url = "{url}"
python = "expenses.py:service"
access_token = "https://enterprise.sandbox.example|service.invoke"
[services.expenses.policies]
submit_expense = {{ effect = "write", policy = "allow"{sum} }}
pay_out = {{ effect = "write", policy = "allow" }}
list_expenses = {{ effect = "read" }}
"""
PEOPLE = {"alice": ("alice", {"groups": ["staff"]}), "fay": ("bob", {"groups": ["finance"]})}


class Surface(Protocol):
    """Runs of conversations. Each method returns the result of the tool, or "asks"."""

    async def call(self, tool: str, user: str = "alice", **arguments: Any) -> str: ...

    async def approve(self) -> str: ...

    async def go_on(self) -> str: ...

    def look_again(self) -> None: ...


CompanyOf = Callable[..., Awaitable[tuple[Surface, Threads, list[float]]]]


class OverHttp:
    """`idaas-agent serve`: conversations over `/threads`."""

    def __init__(self, served: Threads) -> None:
        self._served = served
        self._threads = map("thread-{}".format, itertools.count())
        self._thread = ""

    async def call(self, tool: str, user: str = "alice", **arguments: Any) -> str:
        self._thread = next(self._threads)
        self._served.model.turns[:] = [calls((tool, arguments)), DONE]
        await self._served.say("go on", self._thread, user)
        return await self._result(user)

    async def approve(self) -> str:
        [approval] = (await self._served.ask("GET", f"/threads/{self._thread}")).json()["approvals"]
        path, body = f"/threads/{self._thread}/approvals/{approval['id']}", {"decision": "approve"}
        await self._served.ask("POST", path, body=body)
        return await self._ended()

    async def go_on(self) -> str:
        await self._served.ask("POST", f"/threads/{self._thread}/continue")
        return await self._ended()

    def look_again(self) -> None:
        look_again(self._served.agent)

    async def _ended(self) -> str:
        async with self._served.stream("GET", f"/threads/{self._thread}/events") as events:
            await events.aread()
        return await self._result("alice")

    async def _result(self, user: str) -> str:
        thread = (await self._served.ask("GET", f"/threads/{self._thread}", user)).json()
        results = [each["content"] for each in thread["messages"] if each["role"] == "tool"]
        return results[-1] if results else "asks" if thread["approvals"] else "nothing"


class AsWorker:
    """The graph on Aegra: its state is the server's, and LangGraph's resume values are the answers."""

    def __init__(self, served: Threads, variables: dict[str, str]) -> None:
        self._served = served
        self._model = ScriptedModel(turns=[DONE])
        self._user = "alice"
        settings = read_settings(served.sandbox.environment | variables)
        self.agent = Agent(
            settings,
            caller=lambda _: Secret(served.headers(self._user)["Authorization"].removeprefix("Bearer ")),
            resume_values=True,
            clock=served.sandbox.clock,
            model=ChatModelProvider(self._model),
        )
        made = ContinuedGraph.of(self.agent.graph).copy({"checkpointer": InMemorySaver()})
        assert isinstance(made, ContinuedGraph)
        self._graph = made
        self._numbers = itertools.count()
        self._thread = ""

    async def call(self, tool: str, user: str = "alice", **arguments: Any) -> str:
        self._user, self._thread = user, f"server-{next(self._numbers)}"
        self._model.turns[:] = [calls((tool, arguments)), DONE]
        return await self._run({"messages": [("user", "go on")]})

    async def approve(self) -> str:
        return await self._run(Command(resume={"approved": True}))

    async def go_on(self) -> str:
        return await self.approve()  # any value continues it: another person has decided

    def look_again(self) -> None:
        look_again(self.agent)

    async def _run(self, given: Any) -> str:
        run = {"thread_id": self._thread, "run_id": f"run-{next(self._numbers)}"}
        stream = self._graph.astream(given, {"configurable": run}, stream_mode="values", durability="sync")
        values = [each async for each in stream][-1]
        if "__interrupt__" in values:
            return "asks"
        return str([each.text for each in values["messages"] if isinstance(each, ToolMessage)][-1])


@pytest.fixture
async def company(
    sandbox: Sandbox, serve: Callable[..., Awaitable[str]], threads: ThreadsOf, tmp_path: Path
) -> CompanyOf:
    submitted: list[float] = []

    async def endpoint(request: Request) -> JSONResponse:
        submitted.extend(filter(None, [(await request.json()).get("amount")]))
        return JSONResponse("done")

    async def start(
        identity: str, surface: str, point: DecisionPoint | None = None
    ) -> tuple[Surface, Threads, list[float]]:
        origin = await serve(Starlette(routes=[Route("/{path}", endpoint, methods=["POST"])]))
        (tmp_path / "expenses.py").write_text(TOOLS)
        summed = "" if point is None else ', sum = "amount"'  # a file names it itself
        (tmp_path / "services.toml").write_text(SERVICES.format(url=origin, sum=summed))
        variables = {
            "SERVICES_FILE": str(tmp_path / "services.toml"),
            **(
                {"POLICY_FILE": str(publish(tmp_path / "policy.cedar", RULES))}
                if point is None
                else {
                    "POLICY_URL": point.url,
                    "POLICY_SCOPE": "https://enterprise.sandbox.example|service.invoke",
                }
            ),
            "POLICY_GROUPS": "staff,finance",
            "POLICY_TIME_ZONE": "Asia/Shanghai",
            "CALLER_CLAIMS": "groups",
            "ACCESS_IDENTITY": identity,
            "AUDIT_LOG_FILE": str(tmp_path / "audit.log"),
        }
        served = await threads(**variables)
        at(served, MONDAY)
        database = {"CONVERSATIONS_URL": f"sqlite:///{tmp_path}/conversations.db"}
        return (
            OverHttp(served) if surface == "http" else AsWorker(served, variables | database),
            served,
            submitted,
        )

    return start


def at(served: Threads, moment: float) -> None:
    """Moves the clock, and gives everyone a token of that time."""
    served.sandbox.clock.advance(moment - served.sandbox.clock())
    for user, (account, claims) in PEOPLE.items():
        served.tokens[user] = served.sandbox.access_token(account, **claims)


@pytest.mark.parametrize("surface", ["http", "worker"])
@pytest.mark.parametrize("identity", ["Human", "Machine"])
async def test_the_five_cases_of_the_documented_file(
    company: CompanyOf, tmp_path: Path, identity: str, surface: str
) -> None:
    agent, served, submitted = await company(identity, surface)

    async def submit(amount: float) -> str:
        return await agent.call("submit_expense", amount=amount, reason="train")

    # Ask above an amount.
    assert await submit(500.0) == '"done"'
    assert await submit(500.01) == "asks"
    assert submitted == [500.0]
    assert await agent.approve() == '"done"'
    # Allow one group.
    assert await agent.call("pay_out", report="r1") == DENIED
    assert await agent.call("pay_out", "fay", report="r1") == '"done"'
    # Four eyes above 5,000: the asker's own answer decides nothing.
    assert await submit(6000.0) == "asks"
    assert await agent.approve() == "asks"
    own = (await served.ask("GET", "/approvals", "alice")).json()
    assert (own["asked"], len(own["own"])) == ([], 1 if surface == "http" else 0)
    [asked] = (await served.ask("GET", "/approvals", "fay")).json()["asked"]
    assert (asked["arguments"]["amount"], asked["rules"]) == (6000.0, ["ask-above-500", "four-eyes"])
    decided = await served.ask("POST", f"/approvals/{asked['id']}", "fay", {"decision": "approve"})
    assert decided.status_code == 204
    assert await agent.go_on() == '"done"'
    # A daily total, by a file that is taken up without a restart: 7,000.01 are spent.
    publish(tmp_path / "policy.cedar", RULES.replace('decimal("500.0")', 'decimal("5000.0")'))
    agent.look_again()
    assert [await submit(5000.0) for _ in range(3)] == ['"done"', '"done"', DENIED]
    # Deny on weekends, but not what only reads.
    at(served, MONDAY + 5 * 86_400)
    assert await submit(5.0) == DENIED
    assert await agent.call("list_expenses") == '"done"'
    # The next day begins anew.
    at(served, MONDAY + 7 * 86_400)
    assert await submit(5000.0) == '"done"'
    assert submitted == [500.0, 500.01, 6000.0, 5000.0, 5000.0, 5000.0]


@pytest.mark.parametrize("surface", ["http", "worker"])
@pytest.mark.parametrize("identity", ["Human", "Machine"])
async def test_the_five_cases_as_a_decision_point_decides_them(
    company: CompanyOf, serve: Callable[..., Awaitable[str]], tmp_path: Path, identity: str, surface: str
) -> None:
    point = await DecisionPoint(company_rules).served(serve)
    agent, served, submitted = await company(identity, surface, point)

    async def submit(amount: float) -> str:
        return await agent.call("submit_expense", amount=amount, reason="train")

    await served.say("hello", "no-calls")
    assert point.evaluations == []
    assert await submit(500.0) == '"done"'
    assert await submit(500.01) == "asks"
    assert await agent.approve() == '"done"'
    assert await agent.call("pay_out", report="r1") == DENIED
    assert await agent.call("pay_out", "fay", report="r1") == '"done"'
    assert await submit(6000.0) == "asks"
    assert await agent.approve() == "asks"
    [asked] = (await served.ask("GET", "/approvals", "fay")).json()["asked"]
    await served.ask("POST", f"/approvals/{asked['id']}", "fay", {"decision": "approve"})
    assert await agent.go_on() == '"done"'
    [approver] = {
        each["context"]["approver"]["id"]
        for each in point.evaluations
        if each["context"]["approved"]
        and not each["context"]["hypothetical"]
        and each["context"]["input"]["amount"] > 5000
    }
    assert approver == "user_bob01"
    assert {headers["authorization"][:7] for headers, _ in point.requests} == {"Bearer "}
    point.decide = lambda given: company_rules(given | {"context": given["context"] | {"approved": True}})
    assert [await submit(5000.0) for _ in range(3)] == ['"done"', '"done"', DENIED]
    at(served, MONDAY + 5 * 86_400)
    assert await submit(5.0) == DENIED

    point.decide = lambda _: Response(status_code=500)
    assert await submit(5.0) == FAILED
    assert await agent.call("list_expenses") == FAILED
    assert submitted == [500.0, 500.01, 6000.0, 5000.0, 5000.0]
    lines = [json.loads(line) for line in (tmp_path / "audit.log").read_text().splitlines()]
    [*_, recorded] = [line for line in lines if line["event"] == "tool_call"]
    assert recorded["policy"] == f"authzen:{point.url.split('/')[2]}"
    assert (recorded["outcome"], recorded["error"]) == ("refused", "policy_unavailable")
    if surface == "http":
        served.agent.readiness.remembered_seconds = 0
        ready = await served.ask("GET", "/ready")
        assert (ready.status_code, ready.json()["checks"]["policy"]["code"]) == (200, "policy_unavailable")
        point.decide = company_rules
        served.agent.readiness.remembered_seconds = 0
        assert (await served.ask("GET", "/ready")).json()["status"] == "ready"
        assert await agent.call("list_expenses") == '"done"'
        rights = (await served.ask("GET", "/rights")).json()
        assert rights["policy"] is None
        [expenses] = [each for each in rights["services"] if each["name"] == "expenses"]
        assert {each["decision"] for each in expenses["tools"]} == {"depends"}
