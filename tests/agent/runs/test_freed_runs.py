"""A run that has ended is freed at once, with its messages, without the garbage collector."""

import asyncio
import gc
import uuid
from collections import Counter
from collections.abc import Awaitable, Callable, Coroutine, Iterator
from contextlib import suppress
from pathlib import Path
from types import SimpleNamespace
from typing import Any, TypeVar

import httpx
import pytest
import uvloop
from langchain_core.messages import AIMessage, BaseMessage, HumanMessage
from langgraph.pregel._loop import PregelLoop

from agent.api.app import create_app
from agent.composition.agent import Agent
from agent.errors.error_codes import AgentCode
from agent.runs.live_run import LiveRun
from agent.runs.run import RunReader, whole_run
from agent.runs.run_checkpoint import RunCheckpoint
from agent.runs.thread_run import ThreadRun
from agent.settings.settings import read_settings
from graph.context import AgentContext
from graph.error_codes import GraphCode
from graph.models.provider import ChatModelProvider
from identity.errors import AgentError, ServiceError, UnavailableError
from tests.agent.api.threads.served_threads import CHAT
from tests.agent.conversations.processes import ALICE, THREAD, Process, SharedDatabase
from tests.every_surface import of_plugins
from tests.graph.echo_service import EchoService
from tests.graph.scripted_model import DONE, ScriptedModel, calls
from tests.suite import Sandbox, served
from tools.approval_policy import ApprovalMode, Effect, ToolPolicy

pytestmark = pytest.mark.promise("bounded")
KEPT = (BaseMessage, RunReader, LiveRun, ThreadRun, RunCheckpoint, AgentContext, PregelLoop)
"""What would keep the messages of a run."""
T = TypeVar("T")
Use = Callable[[Process], Awaitable[None]]


def alive() -> Counter[str]:
    return Counter(type(each).__name__ for each in gc.get_objects() if isinstance(each, KEPT))


def asked() -> HumanMessage:
    return HumanMessage("And now?", id=uuid.uuid4().hex)


async def is_read(one: Process) -> None:
    with suppress(AgentError):
        run = await one.conversations.start(ALICE, THREAD, [asked()], streaming=True)
        async for _ in run.events():
            pass


async def is_left_early(one: Process) -> None:
    run = await one.conversations.start(ALICE, THREAD, [asked()], streaming=True)
    reader = run.events(keep=False)
    await reader.first()
    reader.leave()
    await asyncio.wait([run.task])


async def is_ended(one: Process) -> None:
    run = await one.conversations.start(ALICE, THREAD, [asked()], streaming=True)
    await run.events(keep=True).first()
    run.end(UnavailableError(AgentCode.SHUTTING_DOWN, "test"))
    with suppress(AgentError):
        async for _ in run.events():
            pass


async def waits_and_goes_on(one: Process) -> None:
    run = await one.conversations.start(ALICE, THREAD, [asked()], streaming=True)
    [*_, end] = [event async for event in run.events()]
    run = await one.conversations.resume(
        ALICE, THREAD, {end.pending[0].request.id: {"decisions": [{"type": "approve"}]}}, streaming=True
    )
    await asyncio.wait([run.task])


async def is_stateless(one: Process) -> None:
    run = one.runs.start([asked()], ALICE, streaming=True, steps=True)
    with suppress(AgentError):
        await whole_run(run)


async def is_stateless_and_left(one: Process) -> None:
    run = one.runs.start([asked()], ALICE, streaming=True)
    await run.first()
    run.leave()
    await one.runs.ended()


def down(_: object) -> AIMessage:
    raise ServiceError(GraphCode.MODEL_CALL_FAILED, "down")


WEATHER = calls(("weather", {"city": "Hangzhou"}))
PAY = calls(("pay", {"amount": 5}))


@pytest.mark.parametrize(
    ("turns", "use"),
    [
        ([DONE], is_read),
        ([WEATHER, DONE], is_read),
        ([down], is_read),
        ([WEATHER, down], is_read),
        ([DONE], is_left_early),
        ([DONE], is_ended),
        ([PAY, DONE], waits_and_goes_on),
        ([DONE], is_stateless),
        ([WEATHER, down], is_stateless),
        ([DONE], is_stateless_and_left),
    ],
)
def test_run_that_has_ended_keeps_nothing(tmp_path: Path, turns: list[Any], use: Use) -> None:
    async def measured() -> tuple[Counter[str], Counter[str], Counter[str]]:
        shared = SharedDatabase(tmp_path / "conversations.db")
        bank = EchoService("bank", weather="sunny", pay="paid")
        bank.policies = {"pay": ToolPolicy(Effect.WRITE, ApprovalMode.ASK)}
        one = shared.process([DONE], bank)
        live = one.conversations.live

        async def runs() -> None:
            one.bench.model.turns[:] = [*turns]
            await use(one)
            await asyncio.sleep(0)
            one.bench.model.asked.clear()

        def forget() -> None:
            for run in list(live._ended):
                live._remove(run)

        await runs()
        forget()
        gc.collect()
        before = alive()
        await runs()
        ended = alive()
        forget()
        after = alive()
        await one.stop()
        for database in shared.opened:
            await database.aclose()
        return before, ended, after

    before, ended, after = uncollected(measured())
    assert after - before == Counter()
    # For a minute, its events; those of a pause have the response whose calls wait.
    assert ended - before <= Counter({"LiveRun": 2, "AIMessage": 1})


def uncollected(measured: Coroutine[Any, Any, T]) -> T:
    """Without the garbage collector, and on the event loop that serves: asyncio's own keeps the context of a
    time limit until its time. `alive` sees only what is made from now on.
    """
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        gc.collect()
        gc.freeze()
        gc.disable()
        try:
            return runner.run(measured)
        finally:
            gc.enable()


REQUESTS: list[tuple[str, dict[str, Any]]] = [
    (CHAT, {"messages": [{"role": "user", "content": "x"}]}),
    (CHAT, {"messages": [{"role": "user", "content": "x"}], "metadata": {"thread_id": "t"}}),
    (CHAT, {"messages": [{"role": "user", "content": "x"}], "metadata": {"thread_id": "t"}, "stream": True}),
    ("/ag-ui/agent", {"threadId": "t", "runId": "r", "messages": [{"role": "user", "content": "x"}]}),
    ("/agent/invoke", {"input": {"messages": [["human", "x"]]}}),
    ("/agent/stream_events", {"input": {"messages": [["human", "x"]]}}),
]


def requests() -> Iterator[tuple[str, dict[str, Any]]]:
    """One on each surface, with new messages."""
    for path, body in REQUESTS:
        name = uuid.uuid4().hex
        if path == "/ag-ui/agent":
            yield path, {**body, "messages": [{"id": name, "role": "user", "content": "x"}]}
        else:
            yield path, body


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
@pytest.mark.filterwarnings("ignore::pydantic.PydanticDeprecationWarning")
@pytest.mark.parametrize("turn", [DONE, down], ids=["answer", "failure"])
def test_no_surface_keeps_the_messages_of_a_run(sandbox: Sandbox, tmp_path: Path, turn: Any) -> None:
    async def measured() -> tuple[Counter[str], Counter[str]]:
        model = ScriptedModel(turns=[turn])
        database = {"CONVERSATIONS_URL": f"sqlite:///{tmp_path}/conversations.db"}
        settings = read_settings(sandbox.environment | database)
        agent = Agent(settings, clock=sandbox.clock, model=ChatModelProvider(model))
        headers = {"Authorization": f"Bearer {sandbox.access_token()}"}
        surfaces = of_plugins("SURFACES")
        async with (
            served(create_app(settings, agent)) as origin,
            httpx.AsyncClient(base_url=origin, headers=headers, timeout=30, trust_env=False) as http,
        ):

            async def use() -> Counter[str]:
                for path, body in requests():
                    response = await http.post(path, json=body)
                    assert response.status_code in (200, 503), response.text
                for surface in surfaces:
                    await surface(SimpleNamespace(http=http, origin=origin), "x", {})
                await agent.runs.ended()
                assert len(model.asked) == len(REQUESTS) + len(surfaces)
                model.asked.clear()
                return alive()

            await use()
            gc.collect()
            return await use(), await use()

    once, twice = uncollected(measured())
    # LangServe's streams leave the run, without its messages, to the garbage collector.
    assert (twice - once).keys() <= {"RunReader", "LiveRun"}
