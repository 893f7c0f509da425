"""The graph on LangGraph Server, started by `langgraph dev`, offline."""

import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest

from sandbox.model_studio import wire
from tests.agent.api.langgraph.langgraph_process import ROOT, Server
from tests.suite import Sandbox

QUESTION = {"messages": [{"role": "user", "content": "What is the weather in Hangzhou right now?"}]}


def stored(folder: Path) -> dict[str, bytes]:
    return {str(file): file.read_bytes() for file in folder.rglob("*") if file.is_file()}


async def test_signed_in_user_runs_the_graph(langgraph_server, sandbox) -> None:
    client = langgraph_server.client(sandbox.access_token("alice"))
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


@pytest.mark.promise("model-cannot-steer")
@pytest.mark.parametrize("mode", ["messages", "values"], ids=["streamed", "whole"])
@pytest.mark.parametrize("finish", ["length", None])
async def test_no_call_of_a_response_that_was_cut_off_is_made(
    langgraph_server: Server, sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch, finish: str | None, mode: Any
) -> None:
    whole, chunks = wire.whole, wire.chunks
    cut_off: list[Any] = []

    def cut(body: Any) -> Any:
        for choice in body["choices"]:
            if choice.get("finish_reason"):
                choice["finish_reason"] = finish
                cut_off.append(body)
        return body

    monkeypatch.setattr(wire, "whole", lambda *of: cut(whole(*of)))
    monkeypatch.setattr(
        wire,
        "chunks",
        lambda *of, **given: (wire.Chunk(cut(each.body), each.tokens) for each in chunks(*of, **given)),
    )
    client = langgraph_server.client(sandbox.access_token("alice"))
    thread = (await client.threads.create())["thread_id"]
    stream = client.runs.stream(thread, "agent", input=QUESTION, stream_mode=["custom", mode])
    events = [part async for part in stream]
    assert [part.data.get("type") for part in events if part.event == "custom"] == []
    assert ("error" in [part.event for part in events]) is (finish is None)
    state = await client.threads.get_state(thread)
    kinds = [message["type"] for message in state["values"]["messages"]]
    assert kinds == (["human", "ai"] if finish else ["human"])
    assert ("chunk" in cut_off[0]["object"]) is (mode == "messages")


async def test_thread_cannot_be_created_for_another_user(langgraph_server: Server, sandbox: Sandbox) -> None:
    bob = langgraph_server.client(sandbox.access_token("bob"))
    thread = await bob.threads.create(metadata={"owner": "user_alice01"})
    assert thread["metadata"]["owner"] == "user_bob01"


async def test_no_secret_is_stored_or_logged(langgraph_server, sandbox) -> None:
    token = sandbox.access_token("alice")
    client = langgraph_server.client(token)
    thread = (await client.threads.create())["thread_id"]
    await client.runs.wait(thread, "agent", input=QUESTION)
    history = await client.threads.get_history(thread)
    runs = await client.runs.list(thread)
    signature = token.rpartition(".")[2]
    canaries = [signature, sandbox.cloud.secrets.llm_api_key, sandbox.cloud.secrets.amap_api_key]
    for text in (repr(history), repr(runs), langgraph_server.log.read_text(errors="replace")):
        assert not [canary for canary in canaries if canary in text]
    for name, content in stored(langgraph_server.folder).items():
        assert not [canary for canary in canaries if canary.encode() in content], name


def test_studio_does_not_watch_the_folder_that_the_server_writes_to() -> None:
    make = shutil.which("make")
    assert make is not None
    shown = subprocess.run([make, "-n", "studio"], cwd=ROOT, capture_output=True, text=True, check=True)  # noqa: S603 - our own command
    assert "langgraph dev --no-browser --no-reload" in shown.stdout
