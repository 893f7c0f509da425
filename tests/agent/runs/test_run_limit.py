"""Concurrent runs are limited for each caller and in total; a run counts until it ends."""

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator
from typing import Any, cast

import httpx
import pytest

from agent.errors.error_codes import AgentCode
from agent.runs.live_run import LiveRun
from agent.runs.run import RunReader, whole_run
from agent.runs.run_limits import RunLimit
from agent.runs.runs import Runs
from graph.build import CompiledAgentGraph
from graph.context import AgentContext
from graph.error_codes import GraphCode
from identity.access_token.verified_access_token import VerifiedAccessToken
from identity.errors import LimitError, RunTimeoutError, ServiceError, UnavailableError
from tests.agent.api.endless_model import MESSAGES, EndlessModel, endless_model
from tests.agent.conftest import AgentServer, running_agent
from tests.agent.conversations.processes import ALICE, BOB
from tests.suite import Sandbox

pytestmark = pytest.mark.promise("bounded")

CHAT = "/openai/v1/chat/completions"


class Graph:
    """A graph whose runs end as the test decides."""

    def __init__(self, end: BaseException | None = None, *, endless: bool = False, pieces: int = 1) -> None:
        self._end = end
        self._endless = endless
        self._pieces = pieces
        self.open = 0

    async def astream(self, *_: Any, context: AgentContext, **__: Any) -> AsyncIterator[dict[str, Any]]:
        assert context.writer is not None
        self.open += 1
        try:
            for _ in range(self._pieces):
                context.writer({"type": "content", "text": "Once"})
                yield {}
            if self._endless:
                await asyncio.Event().wait()
            if self._end is not None:
                raise self._end
        finally:
            self.open -= 1


def runs_of(graph: Graph, *, seconds: float = 30, per_caller: int = 1, in_total: int = 0) -> Runs:
    limit = RunLimit(per_caller=per_caller, in_total=in_total)
    return Runs(cast(CompiledAgentGraph, graph), timeout=seconds, limit=limit)


def start(runs: Runs, who: VerifiedAccessToken = ALICE) -> RunReader:
    return runs.start([], who, streaming=True)


async def ended(runs: Runs) -> None:
    runs.end(lambda: UnavailableError(AgentCode.SHUTTING_DOWN, "test"))
    await runs.ended()


async def test_limit_of_one_caller_does_not_affect_others() -> None:
    runs = runs_of(Graph(endless=True), per_caller=2)
    start(runs), start(runs)
    with pytest.raises(LimitError) as refused:
        start(runs)
    assert refused.value.code is AgentCode.TOO_MANY_RUNS
    start(runs, BOB)
    await ended(runs)


def test_retry_after_is_staggered() -> None:
    limit = RunLimit[int](per_caller=10)
    running: list[Callable[[], None]] = []
    attempts, second = dict.fromkeys(range(50), 0), 0
    due = dict.fromkeys(attempts, 0)  # when each asks next; each run takes a second
    while due:
        for client in [client for client, at in due.items() if at == second]:
            attempts[client] += 1
            try:
                limit.check(ALICE.principal)
            except LimitError as error:
                due[client] = second + int(error.retry_after or 0)
            else:
                running.append(limit.count(client, ALICE))
                del due[client]
        second += 1
        for end in running:
            end()
        running.clear()
    assert max(attempts.values()) <= 3  # OpenAI's clients try so often by default
    assert len(limit._waiting) == 0


def test_retry_after_is_at_most_a_minute() -> None:
    limit = RunLimit(per_caller=1)
    limit.count("a run", ALICE)
    for _ in range(200):
        with pytest.raises(LimitError) as refused:
            limit.check(ALICE.principal)
        assert refused.value.retry_after
        assert 5 <= refused.value.retry_after <= 60


async def test_total_limit_applies_to_all_callers() -> None:
    runs = runs_of(Graph(endless=True), per_caller=0, in_total=2)
    start(runs), start(runs)
    for who in (ALICE, BOB):
        with pytest.raises(UnavailableError) as refused:
            start(runs, who)
        assert refused.value.code is AgentCode.OVERLOADED
    await ended(runs)


async def test_zero_is_no_limit() -> None:
    runs = runs_of(Graph(endless=True), per_caller=0)
    for _ in range(50):
        start(runs)
    await ended(runs)


async def leaves(run: RunReader) -> None:
    await run.first()
    run.leave()


async def leaves_before_it_began(run: RunReader) -> None:
    run.leave()


async def is_ended(run: RunReader) -> None:
    cast(LiveRun, run.run).end(UnavailableError(AgentCode.SHUTTING_DOWN, "test"))
    with pytest.raises(UnavailableError, match="shutting_down"):
        await run.first()


async def reads(run: RunReader) -> None:
    await whole_run(run)


async def does_not_read(run: RunReader) -> None:
    pass


@pytest.mark.parametrize(
    ("graph", "reader"),
    [
        (Graph(), reads),
        (Graph(), does_not_read),
        (Graph(ServiceError(GraphCode.MODEL_CALL_FAILED, "test")), does_not_read),
        (Graph(ZeroDivisionError()), does_not_read),
        (Graph(asyncio.CancelledError()), does_not_read),
        (Graph(endless=True), leaves),
        (Graph(endless=True), leaves_before_it_began),
        (Graph(pieces=10_000), leaves),
        (Graph(endless=True), is_ended),
        (Graph(endless=True), does_not_read),  # until its time is up
        (Graph(pieces=10_000), does_not_read),  # it waits for its reader, until its time is up
    ],
)
async def test_run_counts_until_it_ends_with_any_outcome(graph: Graph, reader: Any) -> None:
    runs = runs_of(graph, seconds=0.05 if reader is does_not_read else 30)
    for _ in range(3):
        run = start(runs)
        with pytest.raises(LimitError):
            start(runs)
        await reader(run)
        await runs.ended()
        assert graph.open == 0
    await ended(runs)


async def test_slow_reader_receives_the_timeout_after_the_events_of_few_steps() -> None:
    runs = runs_of(Graph(pieces=10_000), seconds=0.05)
    run = start(runs)
    await runs.ended()
    read: list[object] = []

    async def read_on() -> None:
        async for event in run:
            read.append(event)  # noqa: PERF401 - what comes before the error

    with pytest.raises(RunTimeoutError) as late:
        await read_on()
    assert late.value.code is AgentCode.RUN_TIMED_OUT
    assert 0 < len(read) < 100


# --- over HTTP ---------------------------------------------------------------------------------


@pytest.fixture
def model() -> Iterator[EndlessModel]:
    with endless_model() as model:
        yield model


def refusal(response: httpx.Response) -> tuple[int, str]:
    assert int(response.headers["Retry-After"]) >= 1
    return response.status_code, response.json()["error"]["code"]


async def test_busy_agent_sends_retry_after(sandbox: Sandbox, model: EndlessModel) -> None:
    stream = {"messages": MESSAGES, "stream": True}
    with running_agent(sandbox, LLM_BASE_URL=model.url, MAX_RUNS="1") as server:
        async with (
            server.client("alice") as alice,
            server.client("bob") as bob,
            alice.stream("POST", CHAT, json=stream),
        ):
            assert refusal(await bob.post(CHAT, json=stream)) == (503, AgentCode.OVERLOADED)
            invoked = await bob.post("/agent/invoke", json={"input": {"messages": MESSAGES}})
            assert refusal(invoked) == (503, AgentCode.OVERLOADED)


async def test_batch_larger_than_the_run_limit_is_served(sandbox: Sandbox) -> None:
    with running_agent(sandbox, MAX_CONCURRENT_RUNS="2") as server:
        response = await batch_of(server, 5)
    assert response.status_code == 200
    assert len(response.json()["output"]) == 5


async def batch_of(server: AgentServer, inputs: int) -> httpx.Response:
    async with server.client() as http:
        return await http.post("/agent/batch", json={"inputs": [{"messages": MESSAGES}] * inputs})
