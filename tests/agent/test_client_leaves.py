"""A client that leaves stops the run, and with it the call of the model that is under way."""

import asyncio
import json
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import httpx
import pytest
from starlette.types import Receive, Scope, Send

from agent.web_server import listen, web_server
from tests.agent.conftest import AgentServer, running_agent
from tests.conftest import Sandbox

MESSAGES = [{"role": "user", "content": "hello"}]
CHUNK = {
    "id": "chatcmpl-1",
    "object": "chat.completion.chunk",
    "created": 1,
    "model": "qwen-plus",
    "choices": [{"index": 0, "delta": {"role": "assistant", "content": "Once"}, "finish_reason": None}],
}


@dataclass
class EndlessModel:
    """A model that says one word at most, and then notices only whether its caller is still there."""

    words: bool = True
    asked: threading.Event = field(default_factory=threading.Event)
    left: threading.Event = field(default_factory=threading.Event)
    url: str = ""

    async def __call__(self, _: Scope, receive: Receive, send: Send) -> None:
        while (await receive()).get("more_body", False):
            pass
        if self.words:
            headers = [(b"content-type", b"text/event-stream")]
            await send({"type": "http.response.start", "status": 200, "headers": headers})
            body = f"data: {json.dumps(CHUNK)}\n\n".encode()
            await send({"type": "http.response.body", "body": body, "more_body": True})
        self.asked.set()
        while (await receive())["type"] != "http.disconnect":
            pass
        self.left.set()


@pytest.fixture
def model() -> Iterator[EndlessModel]:
    endless = EndlessModel()
    listener = listen("127.0.0.1", 0, "the model", "nothing")
    endless.url = f"http://127.0.0.1:{listener.getsockname()[1]}/v1"
    server = web_server(endless, lifespan=False)
    thread = threading.Thread(target=lambda: asyncio.run(server.serve(sockets=[listener])), daemon=True)
    thread.start()
    yield endless
    server.should_exit = True
    thread.join()


@pytest.fixture
def agent_of(sandbox: Sandbox, model: EndlessModel) -> Iterator[AgentServer]:
    with running_agent(sandbox, LLM_BASE_URL=model.url) as server:
        yield server


async def happens(event: threading.Event) -> bool:
    return await asyncio.to_thread(event.wait, 10)


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("/openai/v1/chat/completions", {"messages": MESSAGES, "stream": True}),
        ("/agent/stream", {"input": {"messages": MESSAGES}}),
        ("/agent/stream_events", {"input": {"messages": MESSAGES}}),
        ("/agent/stream_log", {"input": {"messages": MESSAGES}}),
    ],
)
async def test_who_leaves_a_stream_stops_the_model(
    agent_of: AgentServer, model: EndlessModel, path: str, body: dict[str, Any]
) -> None:
    async with agent_of.client() as http, http.stream("POST", path, json=body) as response:
        assert response.status_code == 200
        async for text in response.aiter_text():
            if "Once" in text:
                break
        assert not model.left.is_set()
    assert await happens(model.left)


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("/openai/v1/chat/completions", {"messages": MESSAGES, "stream": True}),
        ("/openai/v1/chat/completions", {"messages": MESSAGES}),
        ("/agent/stream", {"input": {"messages": MESSAGES}}),
        ("/agent/invoke", {"input": {"messages": MESSAGES}}),
        ("/agent/batch", {"inputs": [{"messages": MESSAGES}]}),
    ],
)
async def test_who_leaves_before_the_answer_stops_the_model(
    agent_of: AgentServer, model: EndlessModel, path: str, body: dict[str, Any]
) -> None:
    model.words = False
    async with agent_of.client() as http:
        asking = asyncio.create_task(http.post(path, json=body))
        assert await happens(model.asked)
        asking.cancel()
        with pytest.raises(asyncio.CancelledError):
            await asking
        assert await happens(model.left)


async def test_a_server_that_stops_ends_its_runs(agent_of: AgentServer, model: EndlessModel) -> None:
    body = {"messages": MESSAGES, "stream": True}
    async with agent_of.client() as http:
        request = http.build_request("POST", "/openai/v1/chat/completions", json=body)
        response = await http.send(request, stream=True)
        assert await happens(model.asked)
        await asyncio.to_thread(agent_of.stop)
        assert await happens(model.left)
        with pytest.raises(httpx.RemoteProtocolError):
            await response.aread()
