"""Graceful shutdown: runs may finish for a while, then each response ends with an error."""

import asyncio
import json
import re
from collections.abc import Iterator
from typing import Any

import httpx
import pytest
from starlette.types import Receive, Scope, Send

from agent.api.app import create_app
from agent.composition.agent import Agent
from agent.errors.error_codes import AgentCode
from agent.http.shutdown import Shutdown
from agent.http.web_server import listen, web_server
from agent.settings.settings import read_settings
from tests.agent.api.endless_model import MESSAGES, EndlessModel, endless_model, happens
from tests.agent.conftest import AgentServer, running_agent
from tests.suite import Sandbox

pytestmark = [
    pytest.mark.promise("shutdown-loses-nothing"),
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),
    pytest.mark.filterwarnings("ignore::pydantic.PydanticDeprecationWarning"),
]
CHAT = "/openai/v1/chat/completions"
INPUT = {"messages": MESSAGES}


@pytest.fixture
def model() -> Iterator[EndlessModel]:
    with endless_model() as model:
        yield model


@pytest.fixture
def server(sandbox: Sandbox, model: EndlessModel) -> Iterator[AgentServer]:
    with running_agent(sandbox, LLM_BASE_URL=model.url) as server:
        yield server


async def requested(model: EndlessModel, times: int) -> None:
    for _ in range(times):
        assert await asyncio.to_thread(model.requests.acquire, timeout=60)


async def test_every_stream_ends_with_one_shutdown_error(server: AgentServer, model: EndlessModel) -> None:
    bodies: dict[str, Any] = {
        CHAT: {"messages": MESSAGES, "stream": True},
        "/agent/stream": {"input": INPUT},
        "/agent/stream_events": {"input": INPUT},
        "/agent/stream_log": {"input": INPUT},
    }
    async with server.client() as http:
        requests = [http.build_request("POST", path, json=body) for path, body in bodies.items()]
        responses = [await http.send(request, stream=True) for request in requests]
        await asyncio.to_thread(server.stop)
        for path, response in zip(bodies, responses, strict=True):
            text = (await response.aread()).decode()  # raises if the body does not end as it should
            assert len(re.findall(r'"error": ?{', text)) == 1, path
            last = json.loads(text.strip().splitlines()[-1].removeprefix("data: "))
            assert last["error"]["code"] == AgentCode.SHUTTING_DOWN, path
    assert await happens(model.disconnected)


async def test_request_without_a_response_yet_gets_503_with_retry_after(
    server: AgentServer, model: EndlessModel
) -> None:
    model.words = False
    bodies: list[tuple[str, Any]] = [
        (CHAT, {"messages": MESSAGES}),
        (CHAT, {"messages": MESSAGES, "stream": True}),
        ("/agent/invoke", {"input": INPUT}),
        ("/agent/batch", {"inputs": [INPUT, INPUT]}),
        ("/agent/stream", {"input": INPUT}),
    ]
    async with server.client() as http:
        asking = [asyncio.create_task(http.post(path, json=body)) for path, body in bodies]
        await requested(model, len(bodies) + 1)
        await asyncio.to_thread(server.stop)
        for (path, _), response in zip(bodies, await asyncio.gather(*asking), strict=True):
            assert response.status_code == 503, path
            assert response.json()["error"]["code"] == AgentCode.SHUTTING_DOWN, path
            assert response.headers["Retry-After"], path


async def test_request_that_is_not_a_run_yet_gets_503(server: AgentServer) -> None:
    url = httpx.URL(server.url)
    reader, writer = await asyncio.open_connection(url.host, url.port)
    head = f"POST {CHAT} HTTP/1.1\r\nHost: agent\r\nContent-Length: 9\r\nExpect: 100-continue\r\n"
    writer.write(f"{head}Authorization: {server.headers()['Authorization']}\r\n\r\n".encode())
    assert b"100 Continue" in await reader.readuntil(b"\r\n\r\n")  # and now the agent waits for the body
    await asyncio.to_thread(server.stop)
    response = await reader.read()
    writer.close()
    assert b" 503 " in response.splitlines()[0]
    assert AgentCode.SHUTTING_DOWN.encode() in response


async def test_client_that_does_not_read_does_not_delay_shutdown(caplog: pytest.LogCaptureFixture) -> None:
    sending = asyncio.Event()

    async def app(_: Scope, __: Receive, send: Send) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": []})
        for _ in range(100):  # more than the buffers of a connection hold
            sending.set()
            await send({"type": "http.response.body", "body": bytes(1 << 20), "more_body": True})

    listener = listen("127.0.0.1", 0, "the application", "nothing")
    server = web_server(app, shutdown_seconds=0, lifespan=False)
    serving = asyncio.create_task(server.serve(sockets=[listener]))
    _, writer = await asyncio.open_connection(*listener.getsockname(), limit=1)
    writer.write(b"GET / HTTP/1.1\r\nHost: application\r\n\r\n")
    await sending.wait()
    server.stop()
    await serving
    writer.close()
    assert not [record for record in caplog.records if record.exc_info]


async def test_new_connections_are_served_until_the_delay_has_passed_and_are_not_kept() -> None:
    begun: list[str] = []

    async def ended() -> None:
        begun.append("ended")

    shutdown = Shutdown(on_begin=lambda: begun.append("begun"), end_runs=lambda: None, runs_ended=ended)

    async def app(_: Scope, __: Receive, send: Send) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b"served"})

    listener = listen("127.0.0.1", 0, "the application", "nothing")
    server = web_server(shutdown.middleware(app), shutdown_delay=600, lifespan=False)
    server.graceful_shutdown = shutdown
    serving = asyncio.create_task(server.serve(sockets=[listener]))

    async def get() -> str:
        reader, writer = await asyncio.open_connection(*listener.getsockname())
        writer.write(b"GET / HTTP/1.1\r\nHost: application\r\n\r\n")
        response = await reader.read()  # to the end of the connection
        writer.close()
        return response.decode().lower()

    server.stop(delayed=True)
    for _ in range(3):
        response = await get()
        assert (begun, "connection: close" in response, "served" in response) == (["begun"], True, True)
    server.stop_at_once()
    await serving
    assert begun[-1] == "ended"


async def test_response_that_the_shutdown_cuts_off_has_no_end() -> None:
    """Else half a document would be taken for the whole."""

    async def ended() -> None:
        pass

    shutdown = Shutdown(on_begin=lambda: None, end_runs=lambda: None, runs_ended=ended)

    async def app(_: Scope, __: Receive, send: Send) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b"half", "more_body": True})
        await asyncio.Event().wait()

    listener = listen("127.0.0.1", 0, "the application", "nothing")
    server = web_server(shutdown.middleware(app), lifespan=False)
    serving = asyncio.create_task(server.serve(sockets=[listener]))
    url = "http://{}:{}".format(*listener.getsockname())
    async with httpx.AsyncClient(trust_env=False) as http, http.stream("GET", url) as response:
        pieces = response.aiter_bytes()
        assert await anext(pieces) == b"half"
        shutdown.end()
        with pytest.raises(httpx.RemoteProtocolError):
            await anext(pieces)
    server.stop()
    await serving


async def test_stopping_agent_is_not_ready_and_starts_no_run_after_its_grace_period(sandbox: Sandbox) -> None:
    settings = read_settings(sandbox.environment)
    agent = Agent(settings, clock=sandbox.clock)
    transport = httpx.ASGITransport(create_app(settings, agent))
    headers = {"Authorization": f"Bearer {sandbox.access_token()}"}
    async with httpx.AsyncClient(transport=transport, base_url="http://agent", headers=headers) as http:
        assert (await http.get("/ready")).status_code == 200
        agent.shutdown.begin(60)
        ready = await http.get("/ready")
        assert ready.status_code == 503
        assert ready.json()["checks"]["shutdown"]["code"] == AgentCode.SHUTTING_DOWN
        assert (await http.post(CHAT, json={"messages": MESSAGES})).status_code == 200
        agent.shutdown.end()
        refused = await http.post(CHAT, json={"messages": MESSAGES})
        assert (refused.status_code, refused.json()["error"]["code"]) == (503, AgentCode.SHUTTING_DOWN)
    await agent.aclose()
