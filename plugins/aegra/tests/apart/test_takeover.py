"""A worker that is killed in the middle of a run, and the workers after it."""

import asyncio
import json
import signal
import time
from typing import Any

import httpx
import pytest

from plugins.aegra.tests.apart.aegra_process import Aegra, AegraProcess, seal_key
from plugins.aegra.tests.apart.stored import Commands, stored
from sandbox.faults.faults import Fault
from tests.front_ends.langgraph.leave import Leave
from tests.security.secrecy.canaries import leaks, secrets_of
from tests.suite import Sandbox

ASK = {"messages": [{"role": "user", "content": "Call my enterprise service"}]}
YES = {"decisions": [{"type": "approve"}]}


@pytest.fixture
def leave(sandbox: Sandbox) -> Leave:
    return Leave(sandbox)


async def asked(sandbox: Sandbox, service: str) -> None:
    """Waits until a request to `service` of the sandbox has arrived."""
    async with asyncio.timeout(60):
        while not any(service in name for name in sandbox.cloud.counters.snapshot()):  # noqa: ASYNC110 - of another process
            await asyncio.sleep(0.05)  # another process: there is no event to wait for


async def kill_during(own_aegra: Aegra, worker: AegraProcess, sandbox: Sandbox, service: str) -> None:
    await asked(sandbox, service)
    worker.kill()
    sandbox.cloud.faults.clear()


def types(values: dict[str, Any]) -> list[str]:
    return [message["type"] for message in values["messages"]]


@pytest.mark.promise("no-secret-leaves")
async def test_nothing_that_is_stored_queued_or_logged_contains_a_secret(
    own_aegra: Aegra, sandbox: Sandbox, leave: Leave
) -> None:
    """Of runs that succeed, pause, fail, and are taken over from a worker that was killed."""
    token = sandbox.access_token("alice")
    canaries = secrets_of(sandbox, token)
    canaries.add("the key that seals", own_aegra.seal_key.read_text())
    client = own_aegra.client(token)

    async def thread() -> str:
        return str((await client.threads.create())["thread_id"])

    with Commands(own_aegra.redis.url) as commands:
        first = own_aegra.start(workers=1)
        await client.runs.wait(await thread(), "agent", input=ASK)
        waiting = await thread()
        given = {"messages": [{"role": "user", "content": leave.question}]}
        await client.runs.wait(waiting, "agent", input=given)
        await client.runs.wait(waiting, "agent", command={"resume": YES})
        assert await leave.days() == [3]
        [part async for part in client.runs.stream(None, "agent", input=ASK, stream_mode=["events", "debug"])]
        for service in ("model_studio", "idaas.token"):
            sandbox.cloud.faults.set(service, Fault(status=401))
            own = own_aegra.client(sandbox.access_token("bob" if service == "idaas.token" else "alice"))
            failed = (await own.threads.create())["thread_id"]
            await own.runs.wait(failed, "agent", input=ASK, raise_error=False)
            sandbox.cloud.faults.clear()
        sandbox.cloud.counters.reset()
        sandbox.cloud.faults.set("model_studio", Fault(hang=True))
        run = await client.runs.create(crashed := await thread(), "agent", input=ASK)
        await kill_during(own_aegra, first, sandbox, "model_studio")
        second = own_aegra.start(workers=1)
        try:
            await client.runs.join(crashed, run["run_id"])
        finally:
            second.kill()
    texts = [*stored(own_aegra), ("commands to Redis", "\n".join(commands.received))]
    assert leaks(canaries, texts) == []
    # What it would have been found in: the sealed callers, the text of the conversation, what was published.
    assert any(
        "sealed_callers" in text and "v1." in text for name, text in texts if name == "table public.runs"
    )
    assert any("user_alice01" in text for name, text in texts if name.startswith("table public.checkpoint"))
    commands_of = {command.split()[0].upper() for command in commands.received}
    assert {"PUBLISH", "RPUSH"} <= commands_of, commands_of
    assert any("user_alice01" in command for command in commands.received)


async def test_run_is_taken_over_and_its_message_is_not_repeated(own_aegra: Aegra, sandbox: Sandbox) -> None:
    client = own_aegra.client(sandbox.access_token("alice"))
    thread = (await client.threads.create())["thread_id"]
    sandbox.cloud.faults.set("model_studio", Fault(hang=True))
    first = own_aegra.start(workers=1)
    run = await client.runs.create(thread, "agent", input=ASK)
    await kill_during(own_aegra, first, sandbox, "model_studio")
    second = own_aegra.start(workers=1)
    try:
        values: Any = await client.runs.join(thread, run["run_id"])
        assert types(values) == ["human", "ai", "tool", "ai"]
        assert "user_alice01" in str(values)
    finally:
        second.kill()


async def test_call_that_was_begun_is_not_made_again(
    own_aegra: Aegra, sandbox: Sandbox, leave: Leave
) -> None:
    client = own_aegra.client(sandbox.access_token("alice"))
    thread = (await client.threads.create())["thread_id"]
    first = own_aegra.start(workers=1)
    given = {"messages": [{"role": "user", "content": leave.question}]}
    await client.runs.wait(thread, "agent", input=given)
    sandbox.cloud.counters.reset()
    sandbox.cloud.faults.set("function_compute", Fault(hang=True))
    run = await client.runs.create(thread, "agent", command={"resume": YES})
    await kill_during(own_aegra, first, sandbox, "function_compute")
    second = own_aegra.start(workers=1)
    try:
        values: Any = await client.runs.join(thread, run["run_id"])
        assert types(values) == ["human", "ai", "tool", "ai"]
        assert "may already have taken effect" in values["messages"][2]["content"]
        assert await leave.days() == []
    finally:
        second.kill()


async def test_worker_without_the_key_pauses_the_run_until_its_owner_signs_in(
    own_aegra: Aegra, sandbox: Sandbox
) -> None:
    client = own_aegra.client(sandbox.access_token("alice"))
    thread = (await client.threads.create())["thread_id"]
    sandbox.cloud.faults.set("model_studio", Fault(hang=True))
    first = own_aegra.start(workers=1)
    run = await client.runs.create(thread, "agent", input=ASK)
    await kill_during(own_aegra, first, sandbox, "model_studio")
    other_key = seal_key(own_aegra.folder, "other-key")
    second = own_aegra.start(workers=1, SEAL_KEY_FILE=str(other_key))
    try:
        await client.runs.join(thread, run["run_id"])
        state = await client.threads.get_state(thread)
        [task] = state["tasks"]
        assert task["interrupts"][0]["value"]["approval"]["kind"] == "sign_in_required"
    finally:
        second.kill()
    third = own_aegra.start(workers=1)
    try:
        fresh = own_aegra.client(sandbox.access_token("alice"))
        values: Any = await fresh.runs.wait(thread, "agent", command={"resume": YES})
        assert types(values) == ["human", "ai", "tool", "ai"]
    finally:
        third.kill()


async def test_run_that_waits_longer_than_its_token_is_continued_with_a_fresh_one(
    own_aegra: Aegra, sandbox: Sandbox
) -> None:
    client = own_aegra.client(sandbox.access_token("alice", lifetime=5))
    ends = time.time() + 6
    thread = (await client.threads.create())["thread_id"]
    run = await client.runs.create(thread, "agent", input=ASK)
    while time.time() < ends:  # noqa: ASYNC110 - other processes measure the time
        await asyncio.sleep(0.1)
    worker = own_aegra.start(workers=1)
    try:
        fresh = own_aegra.client(sandbox.access_token("alice"))
        ended: Any = await fresh.runs.join(thread, run["run_id"])
        assert "sign_in_required" in ended["__error__"]["message"]
        values: Any = await fresh.runs.wait(thread, "agent")
        assert types(values) == ["human", "ai", "tool", "ai"]
    finally:
        worker.kill()


@pytest.mark.promise("on-record")
async def test_processes_that_are_stopped_end_their_audit_logs(own_aegra: Aegra, sandbox: Sandbox) -> None:
    server, worker = own_aegra.start(), own_aegra.start(workers=1)
    headers = {"X-Api-Key": sandbox.access_token("alice")}
    async with httpx.AsyncClient(base_url=server.url, headers=headers, timeout=30) as http:
        answer = await http.post("/runs/wait", json={"assistant_id": "agent", "input": ASK})
        assert "user_alice01" in answer.text
    before = audit_lines(own_aegra)
    for process in (server, worker):
        process.process.terminate()
        assert process.process.wait(60) in (0, -signal.SIGTERM)  # uvicorn raises the signal again
    ended = [
        line["process"] for line in audit_lines(own_aegra)[len(before) :] if line["event"] == "audit_ended"
    ]
    wrote = {line["process"] for line in before if line["event"] in ("authentication", "tool_call")}
    assert len(ended) == 2
    assert set(ended) <= wrote


def audit_lines(own_aegra: Aegra) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (own_aegra.folder / "audit.log").read_text().splitlines()]
