"""The graph on LangGraph Server, started as people start it (`langgraph dev`), offline."""

import contextlib
import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from langgraph_sdk import get_client
from langgraph_sdk.client import LangGraphClient

from tests.conftest import Sandbox

ROOT = Path(__file__).resolve().parents[2]
QUESTION = {"messages": [{"role": "user", "content": "What is the weather in Hangzhou right now?"}]}


def free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return int(listener.getsockname()[1])


class Server:
    def __init__(self, url: str, log: Path) -> None:
        self.url = url
        self.log = log

    def client(self, token: str) -> LangGraphClient:
        return get_client(url=self.url, headers={"Authorization": f"Bearer {token}"}, api_key=None)


def _answers(url: str) -> bool:
    with contextlib.suppress(httpx.TransportError):
        return httpx.get(f"{url}/ok", timeout=5).status_code == 200
    return False


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of `langgraph.json` in a folder of its own: the server writes its store there."""
    return tmp_path_factory.mktemp("langgraph")


@pytest.fixture(scope="module")
def server(running_sandbox: Any, folder: Path) -> Iterator[Server]:
    running, _ = running_sandbox
    port = free_port()
    environment = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(("LANGSMITH_", "LANGCHAIN_", "LANGGRAPH_"))
    }
    environment |= running.environment | {"ACCESS_IDENTITY": "Human", "PYTHONPATH": str(ROOT)}
    root = os.path.relpath(ROOT, folder)
    config = (ROOT / "langgraph.json").read_text().replace('"./', f'"{root}/').replace('"."', f'"{root}"')
    (folder / "langgraph.json").write_text(config)
    command = [Path(sys.executable).with_name("langgraph"), "dev", "--no-browser", "--no-reload"]
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen(  # noqa: S603 - our own command
            [*map(str, command), "--port", str(port)],
            cwd=folder,
            env=environment,
            stdout=log,
            stderr=subprocess.STDOUT,
        )
        try:
            url = f"http://127.0.0.1:{port}"
            deadline = time.monotonic() + 60
            while not _answers(url):
                if process.poll() is not None or time.monotonic() > deadline:
                    pytest.fail((folder / "log").read_text(errors="replace")[-4000:])
                time.sleep(0.1)  # another process: there is no event to wait for
            yield Server(url, folder / "log")
        finally:
            process.terminate()
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(10)
            if process.poll() is None:
                process.kill()
                process.wait()


def stored(folder: Path) -> dict[str, bytes]:
    return {str(file): file.read_bytes() for file in folder.rglob("*") if file.is_file()}


async def test_a_signed_in_user_runs_the_graph(server: Server, sandbox: Sandbox) -> None:
    client = server.client(sandbox.access_token("alice"))
    thread = await client.threads.create()
    events = [
        part.data["type"]
        async for part in client.runs.stream(
            thread["thread_id"], "agent", input=QUESTION, stream_mode=["updates", "custom"]
        )
        if part.event == "custom"
    ]
    assert events == ["tool_started", "tool_finished"]
    state = await client.threads.get_state(thread["thread_id"])
    assert "Hangzhou" in state["values"]["messages"][-1]["content"]


async def test_without_a_token_nothing_is_answered(server: Server) -> None:
    async with httpx.AsyncClient(base_url=server.url) as client:
        for headers in ({}, {"x-auth-scheme": "langsmith"}, {"x-api-key": "any"}):
            response = await client.post("/threads", json={}, headers=headers)
            assert response.status_code == 401, headers


async def test_a_thread_is_seen_by_its_owner_only(server: Server, sandbox: Sandbox) -> None:
    alice, bob = (server.client(sandbox.access_token(user)) for user in ("alice", "bob"))
    thread = (await alice.threads.create())["thread_id"]
    assert [found["thread_id"] for found in await alice.threads.search(ids=[thread])] == [thread]
    assert await bob.threads.search(ids=[thread]) == []
    for attempt in (
        bob.threads.get(thread),
        bob.threads.get_state(thread),
        bob.threads.get_history(thread),
        bob.threads.update(thread, metadata={"owner": "user_bob01"}),
        bob.threads.delete(thread),
        bob.runs.list(thread),
    ):
        with pytest.raises(httpx.HTTPStatusError) as refused:
            await attempt
        assert refused.value.response.status_code in (403, 404)
    assert (await alice.threads.get(thread))["metadata"]["owner"] == "user_alice01"


async def test_nobody_can_make_a_thread_in_the_name_of_another(server: Server, sandbox: Sandbox) -> None:
    bob = server.client(sandbox.access_token("bob"))
    thread = await bob.threads.create(metadata={"owner": "user_alice01"})
    assert thread["metadata"]["owner"] == "user_bob01"


async def test_assistants_schedules_and_the_store_cannot_be_changed(server: Server, sandbox: Sandbox) -> None:
    alice = server.client(sandbox.access_token("alice"))
    for attempt in (
        alice.assistants.create("agent"),
        alice.crons.create("agent", schedule="0 0 * * *", input=QUESTION),
        alice.store.put_item(["notes"], key="one", value={"text": "mine"}),
        alice.store.get_item(["notes"], key="one"),
    ):
        with pytest.raises(httpx.HTTPStatusError) as refused:
            await attempt
        assert refused.value.response.status_code == 403


async def test_no_secret_is_stored_or_logged(server: Server, sandbox: Sandbox, folder: Path) -> None:
    token = sandbox.access_token("alice")
    client = server.client(token)
    thread = (await client.threads.create())["thread_id"]
    await client.runs.wait(thread, "agent", input=QUESTION)
    history = await client.threads.get_history(thread)
    runs = await client.runs.list(thread)
    signature = token.rpartition(".")[2]
    canaries = [signature, sandbox.cloud.secrets.llm_api_key, sandbox.cloud.secrets.amap_api_key]
    for text in (repr(history), repr(runs), server.log.read_text(errors="replace")):
        assert not [canary for canary in canaries if canary in text]
    for name, content in stored(folder).items():
        assert not [canary for canary in canaries if canary.encode() in content], name
