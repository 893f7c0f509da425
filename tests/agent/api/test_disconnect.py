"""A client that disconnects cancels the run and its model call."""

import asyncio
import uuid
from collections.abc import AsyncGenerator, Iterator
from typing import Any, cast

import pytest

from agent.api.disconnect import ClientDisconnectedError, while_connected
from agent.errors.error_codes import AgentCode
from agent.runs.runs import Runs
from graph.build import CompiledAgentGraph
from graph.context import AgentContext
from graph.events import TextEvent
from identity.errors import UnavailableError
from tests.agent.api.endless_model import MESSAGES, EndlessModel, endless_model, happens
from tests.agent.conftest import AgentServer, running_agent
from tests.agent.runs.test_run import CALLER
from tests.conftest import Sandbox


def ag_ui() -> dict[str, Any]:
    """A message on a conversation of its own."""
    messages = [{"id": "u", **message} for message in MESSAGES]
    return {"threadId": uuid.uuid4().hex, "runId": "r", "messages": messages}


@pytest.fixture
def model() -> Iterator[EndlessModel]:
    with endless_model() as model:
        yield model


@pytest.fixture
def agent_of(sandbox: Sandbox, model: EndlessModel) -> Iterator[AgentServer]:
    with running_agent(sandbox, LLM_BASE_URL=model.url) as server:
        yield server


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("/openai/v1/chat/completions", {"messages": MESSAGES, "stream": True}),
        ("/ag-ui/agent", ag_ui()),
        ("/agent/stream", {"input": {"messages": MESSAGES}}),
        ("/agent/stream_events", {"input": {"messages": MESSAGES}}),
        ("/agent/stream_log", {"input": {"messages": MESSAGES}}),
    ],
)
async def test_disconnect_during_a_stream_cancels_the_model_call(
    agent_of: AgentServer, model: EndlessModel, path: str, body: dict[str, Any]
) -> None:
    async with agent_of.client() as http, http.stream("POST", path, json=body) as response:
        assert response.status_code == 200
        async for text in response.aiter_text():
            if "Once" in text:
                break
        assert not model.disconnected.is_set()
    assert await happens(model.disconnected)


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("/openai/v1/chat/completions", {"messages": MESSAGES, "stream": True}),
        ("/ag-ui/agent", ag_ui()),
        ("/openai/v1/chat/completions", {"messages": MESSAGES}),
        ("/agent/stream", {"input": {"messages": MESSAGES}}),
        ("/agent/invoke", {"input": {"messages": MESSAGES}}),
        ("/agent/batch", {"inputs": [{"messages": MESSAGES}]}),
    ],
)
async def test_disconnect_before_the_response_cancels_the_model_call(
    agent_of: AgentServer, model: EndlessModel, path: str, body: dict[str, Any]
) -> None:
    model.words = False
    async with agent_of.client() as http:
        asking = asyncio.create_task(http.post(path, json=body))
        assert await happens(model.requested)
        asking.cancel()
        with pytest.raises(asyncio.CancelledError):
            await asking
        assert await happens(model.disconnected)


class EndlessGraph:
    """A graph whose model never stops writing."""

    def __init__(self) -> None:
        self.closed = asyncio.Event()

    async def astream(self, *_: Any, context: AgentContext, **__: Any) -> AsyncGenerator[dict[str, Any]]:
        assert context.writer is not None
        try:
            while True:
                context.writer(TextEvent(type="content", text="more"))
                yield {}
        finally:
            self.closed.set()


async def test_run_cancelled_while_its_reader_lags_is_closed_at_once() -> None:
    graph = EndlessGraph()
    runs = Runs(cast(CompiledAgentGraph, graph), timeout=60)
    run = runs.start([], CALLER, streaming=True)
    await run.first()
    run.leave()
    await runs.ended()
    assert graph.closed.is_set()


async def test_run_ended_before_it_began_ends_its_reader() -> None:
    runs = Runs(cast(CompiledAgentGraph, EndlessGraph()), timeout=60)
    run = runs.start([], CALLER, streaming=True)
    runs.end(lambda: UnavailableError(AgentCode.SHUTTING_DOWN, "stop"))
    with pytest.raises(UnavailableError) as raised:
        await run.first()
    assert raised.value.code is AgentCode.SHUTTING_DOWN


async def test_disconnect_cancels_what_is_waited_for_without_a_run() -> None:
    cancelled = asyncio.Event()

    async def search() -> None:
        try:
            await asyncio.Event().wait()
        finally:
            cancelled.set()

    async def receive() -> dict[str, Any]:
        await asyncio.sleep(0)
        return {"type": "http.disconnect"}

    with pytest.raises(ClientDisconnectedError):
        await while_connected(search(), receive)
    await cancelled.wait()
