"""LangGraph's event-streaming protocol on the real server: commands, events, and who may use a thread."""

import json
import uuid
from collections.abc import AsyncIterator, Callable
from typing import Any

import httpx
import pytest

from sandbox.faults.faults import Fault
from tests.agent.api.langgraph.langgraph_process import Server
from tests.suite import Sandbox

WEATHER = {"messages": [{"type": "human", "content": "What is the weather in Hangzhou right now?"}]}
CHANNELS = ["messages", "tools", "lifecycle", "input", "values", "updates"]

Client = Callable[[str], httpx.AsyncClient]


@pytest.fixture
def client(langgraph_server: Server, sandbox: Sandbox) -> Client:
    def of(name: str) -> httpx.AsyncClient:
        headers = {"X-Api-Key": sandbox.access_token(name)}
        return httpx.AsyncClient(base_url=langgraph_server.url, headers=headers, timeout=30)

    return of


async def command(http: httpx.AsyncClient, thread: str, method: str, **params: Any) -> httpx.Response:
    return await http.post(f"/threads/{thread}/commands", json={"id": 1, "method": method, "params": params})


async def start(http: httpx.AsyncClient, thread: str, **params: Any) -> httpx.Response:
    return await command(http, thread, "run.start", assistant_id="agent", **({"input": WEATHER} | params))


async def events(http: httpx.AsyncClient, thread: str) -> AsyncIterator[dict[str, Any]]:
    """The events of a thread, until its run has ended: the stream itself does not end."""
    body = {"channels": CHANNELS}
    async with http.stream("POST", f"/threads/{thread}/stream/events", json=body) as response:
        assert response.status_code == 200
        async for line in response.aiter_lines():
            if not line.startswith("data: "):
                continue
            event = json.loads(line[6:])
            yield event
            params = event["params"]
            of_run = event["method"] == "lifecycle" and not params["namespace"]
            if of_run and params["data"]["event"] != "running":
                return


@pytest.mark.promise("threads-are-private")
async def test_thread_of_another_user_and_unknown_thread_are_404(client: Client) -> None:
    thread, unknown = str(uuid.uuid4()), str(uuid.uuid4())
    async with client("alice") as alice, client("bob") as bob:
        assert (await start(alice, thread)).json()["type"] == "success"
        for http, each in ((bob, thread), (alice, unknown), (alice, "not-an-id")):
            for answer in (
                await http.post(f"/threads/{each}/stream/events", json={"channels": CHANNELS}),
                await command(http, each, "input.respond", interrupt_id="9f0c", response={}),
                await command(http, each, "agent.getTree"),
                await http.post(f"/threads/{each}/commands", content=b"{"),
            ):
                assert (answer.status_code, answer.json()["error"]["code"]) == (404, "not_found"), each
        assert (await start(bob, thread)).status_code == 404
        assert (await start(alice, "not-an-id")).status_code == 404
        assert (await bob.get(f"/threads/{thread}")).status_code == 404
        runs = (await alice.get(f"/threads/{thread}/runs")).json()
        assert len(runs) == 1
        assert [event async for event in events(alice, thread)]  # the run has ended


@pytest.mark.promise("model-cannot-steer")
async def test_refused_command_starts_no_run(client: Client) -> None:
    async with client("alice") as alice:
        thread = (await alice.post("/threads", json={})).json()["thread_id"]
        for method, params in [
            ("run.start", {"input": WEATHER, "langsmith_tracer": {"project_name": "x"}}),
            ("run.start", {"input": WEATHER, "config": {"configurable": {"__pregel_resume_map": {}}}}),
            ("input.respond", {"interrupt_id": "9f0c", "response": True, "update": {"messages": []}}),
            ("input.respond", {"interrupt_id": "9f0c", "response": True, "goto": "__end__"}),
            ("input.respond", {"interrupt_id": "9f0c", "response": True}),
            ("state.fork", {"checkpoint_id": str(uuid.uuid4())}),
        ]:
            answer = await command(alice, thread, method, assistant_id="agent", **params)
            assert (answer.status_code, answer.json()["type"], answer.json()["id"]) == (200, "error", 1)
        for malformed in (b"", b"{", b"[]", b'{"id": "1", "method": "run.start"}', b"[" * 1020 + b"]" * 1020):
            answer = await alice.post(f"/threads/{thread}/commands", content=malformed)
            assert answer.status_code == 400, malformed
        assert (await alice.get(f"/threads/{thread}/runs")).json() == []


async def test_run_is_stopped_by_its_owner_only(client: Client, sandbox: Sandbox) -> None:
    thread = str(uuid.uuid4())
    sandbox.cloud.faults.set("model_studio", Fault(hang=True))
    async with client("alice") as alice, client("bob") as bob:
        run = (await start(alice, thread)).json()["result"]["run_id"]
        stream = events(alice, thread)
        assert (await anext(stream))["params"]["data"]["event"] == "running"
        cancel = f"/threads/{thread}/runs/{run}/cancel"
        assert (await bob.post(cancel, params={"wait": 1, "action": "interrupt"})).status_code == 404
        assert (await alice.post(cancel, params={"wait": 1, "action": "interrupt"})).status_code == 200
        rest = [event async for event in stream]
    assert rest[-1]["params"]["data"]["event"] == "interrupted"
