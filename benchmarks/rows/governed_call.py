"""A call of a governed tool in an application's graph, beside the plain tool in the same `ToolNode`."""

import asyncio
import cProfile
import pstats
import time
from collections.abc import Iterable, Sequence
from contextlib import AsyncExitStack
from types import SimpleNamespace
from typing import Any, Final

import httpx
import uvloop
from langchain_core.messages import AIMessage, HumanMessage
from langchain_core.tools import BaseTool, StructuredTool
from langgraph.checkpoint.memory import InMemorySaver
from langgraph.graph import END, START, MessagesState, StateGraph
from langgraph.prebuilt import ToolNode
from langgraph.runtime import get_runtime

from benchmarks.bench import Bench
from benchmarks.issuer import Issuer
from benchmarks.report import Figure, Series, at_most, series_of
from benchmarks.rows.governance import governance
from http1.proxy import OF_PROCESS
from idaas_agent.library.governed_calls import KnownCalls
from idaas_agent.library.run_context import IdentityContext
from idaas_agent.library.tools import tools_of
from identity.access_token.verified_access_token import VerifiedAccessToken
from identity.audit.trail import AuditTrail
from identity.credentials.broker import CredentialBroker
from identity.credentials.issuer import IssuedCredential
from identity.credentials.requirement import AccessTokenRequirement
from identity.principal import AccessIdentity
from identity.secrets.secret import Secret
from tools.http_service.client import ServiceClient
from tools.http_service.service import HTTPService

_CALLS: Final = 2_000
_QUICK: Final = 5
_IN_A_ROW: Final = 100
_PROFILED: Final = 5
_THREAD: Final = {"configurable": {"thread_id": "thread"}}


_URL: Final = "https://bank.example"
_TOKEN: Final = "credential"


def _http() -> httpx.AsyncClient:
    """A client whose service is in this process."""
    return httpx.AsyncClient(transport=httpx.MockTransport(lambda _: httpx.Response(200, text="5000")))


def _plain(http: httpx.AsyncClient) -> BaseTool:
    """The tool as an application has it, with a token in its code."""

    async def balance(account: str) -> str:
        """The balance of an account."""
        response = await http.get(f"{_URL}/{account}", headers={"Authorization": f"Bearer {_TOKEN}"})
        return response.raise_for_status().text

    return StructuredTool.from_function(coroutine=balance)


def _service(http: httpx.AsyncClient) -> HTTPService:
    """The service of the same tool."""
    required = AccessTokenRequirement(f"{_URL}|bank.read")
    service = HTTPService("bank", _URL, required, http=http)

    @service.tool
    async def governed_balance(client: ServiceClient, account: str) -> str:
        """The balance of an account."""
        return (await client.get(account)).text

    return service


class _OneToken:
    """A `CredentialIssuer` with one token, which the broker caches."""

    def prerequisite(self, *_: object) -> None:
        """There is none."""

    async def issue(self, *_: object) -> IssuedCredential:
        """The token."""
        return IssuedCredential(Secret(_TOKEN), time.time() + 3600)


class _Identity:
    """An `OpenIdentity` whose verifier, broker and records are real."""

    def __init__(self) -> None:
        audit = AuditTrail()
        self.issuer: Final = Issuer()
        self.settings: Any = SimpleNamespace(access_identity=AccessIdentity.HUMAN, approval_seconds=600.0)
        self.known_calls: Final = KnownCalls()
        self.proxies: Final = OF_PROCESS
        self._verifier: Final = self.issuer.verifier()
        self._parts: Any = SimpleNamespace(
            broker=CredentialBroker(_OneToken(), audit=audit),
            audit=audit,
            clock=time.time,
            tls=None,
            users=AsyncExitStack(),
        )

    async def parts(self) -> Any:
        """The parts."""
        return self._parts

    async def required_caller(self) -> VerifiedAccessToken:
        """The caller of the run."""
        token = get_runtime(IdentityContext).context.access_token
        assert token is not None
        return await self._verifier.verify(token)


def governed_call(bench: Bench) -> Iterable[Figure]:
    """One node of a run calls both tools through one `ToolNode`: warm calls, a hundred of each in turn. If
    they alternated, the tool that needs more memory at once would pay for the garbage of both.

    Then what policy, labels, approvals and records add (`benchmarks.rows.governance`).
    """
    calls = _QUICK if bench.plan.quick else _CALLS
    p50: list[float] = []
    p99: list[float] = []
    functions: list[Sequence[float]] = []
    for _ in range(bench.plan.rounds):
        (plain, governed), made = asyncio.Runner(loop_factory=uvloop.new_event_loop).run(_measured(calls))
        functions.append(made)
        p50.append(_quantile(governed, 0.5) - _quantile(plain, 0.5))
        p99.append(_quantile(governed, 0.99) - _quantile(plain, 0.99))
    yield Figure(
        "a governed call, more than the plain tool: p50", "µs", Series(tuple(p50)), target=at_most(100.0)
    )
    yield Figure(
        "a governed call, more than the plain tool: p99", "µs", Series(tuple(p99)), target=at_most(400.0)
    )
    governed_functions = series_of(functions, lambda made: made[1])
    plain_functions = series_of(functions, lambda made: made[0])
    yield Figure(
        "a governed call: calls of functions", "", governed_functions, "the plain tool", plain_functions
    )
    yield from governance(bench.plan)


async def _measured(calls: int) -> tuple[Sequence[list[float]], Sequence[float]]:
    """The microseconds of each call, and the calls of functions in one: of the plain tool, and of the
    governed one.
    """
    identity = _Identity()
    http = _http()
    tools: list[BaseTool] = [_plain(http), *await tools_of(identity, [_service(http)])]
    node = ToolNode(tools)
    times: dict[str, list[float]] = {tool.name: [] for tool in tools}
    functions: list[float] = []

    async def called(tool: BaseTool, number: int) -> float:
        call = {"name": tool.name, "args": {"account": "1"}, "id": f"{tool.name}-{number}"}
        response = AIMessage("", tool_calls=[call], id=f"message-{number}")
        messages = [HumanMessage("My balance?"), response]
        began = time.perf_counter()
        await node.ainvoke({"messages": messages})
        return (time.perf_counter() - began) * 1e6

    async def measure(_: MessagesState) -> dict[str, Any]:
        for first in range(0, calls, _IN_A_ROW):
            for tool in tools:
                numbers = range(first, min(first + _IN_A_ROW, calls))
                times[tool.name] += [await called(tool, number) for number in numbers]
        for tool in tools:
            with cProfile.Profile() as profile:
                for number in range(calls, calls + _PROFILED):
                    await called(tool, number)
            functions.append(_functions_in(profile) / _PROFILED)
        return {"messages": []}

    builder: Any = StateGraph(MessagesState, context_schema=IdentityContext)
    builder.add_node("measure", measure)
    builder.add_edge(START, "measure")
    builder.add_edge("measure", END)
    graph = builder.compile(checkpointer=InMemorySaver())
    context = IdentityContext(access_token=identity.issuer.access_token())
    await graph.ainvoke({"messages": [HumanMessage("My balance?")]}, _THREAD, context=context)
    return [*times.values()], functions


def _functions_in(profile: cProfile.Profile) -> float:
    stats: Any = pstats.Stats(profile)
    return float(stats.total_calls)


def _quantile(values: Sequence[float], part: float) -> float:
    return sorted(values)[min(int(len(values) * part), len(values) - 1)]
