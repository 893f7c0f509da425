"""A client that disconnects cancels the run and its model call."""

import asyncio
import uuid
from collections.abc import Iterator
from typing import Any

import pytest
from starlette.requests import ClientDisconnect

from agent.api.disconnect import while_connected
from tests.agent.api.endless_model import MESSAGES, EndlessModel, endless_model, happens
from tests.agent.conftest import AgentServer, running_agent
from tests.suite import Sandbox


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

    with pytest.raises(ClientDisconnect):
        await while_connected(search(), receive)
    await cancelled.wait()
