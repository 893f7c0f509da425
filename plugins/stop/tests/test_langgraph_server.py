"""`idaas-agent stop` and LangGraph Server: its process confirms a stop, and records its end or is named."""

import asyncio
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from agent.operations.revocation.database_store import database_store
from agent.operations.revocation.stop_reports import DatabaseReports
from identity.secrets.secret import Secret
from plugins.stop.tests.test_stop_command import WAITS, said
from sandbox.faults.faults import Fault
from tests.agent.api.langgraph.langgraph_process import Server, langgraph_dev
from tests.databases.postgres_process import PostgresProcess
from tests.every_command import CONFIGURATION
from tests.front_ends.langgraph.leave import Leave
from tests.suite import Sandbox
from tests.until import until

pytestmark = pytest.mark.promise("stopped-refused")

ASK = {"messages": [{"role": "user", "content": "Call my enterprise service"}]}


ONE_LOOP = pytest.mark.parametrize("isolated", ["False"])
LOOPS_OF_RUNS = pytest.mark.parametrize("isolated", ["True"])
"""The server executes runs in event loops of their own, which stand still in between."""


@pytest.fixture
def operator(sandbox: Sandbox, postgres: PostgresProcess, tmp_path: Path) -> dict[str, str]:
    return {
        CONFIGURATION: sandbox.environment[CONFIGURATION],
        "CONVERSATIONS_URL": postgres.url,
        "AUDIT_LOG_FILE": str(tmp_path / "operator.jsonl"),
    }


@pytest.fixture
def server(
    running_sandbox: Any, tmp_path: Path, postgres: PostgresProcess, isolated: str
) -> Iterator[Server]:
    running, _ = running_sandbox
    folder = tmp_path / "server"
    folder.mkdir()
    variables = {"CONVERSATIONS_URL": postgres.url, "BG_JOB_ISOLATED_LOOPS": isolated}
    log = str(tmp_path / "audit.jsonl")
    with langgraph_dev(running, folder, AUDIT_LOG_FILE=log, **variables) as started:
        yield started


async def living(postgres: PostgresProcess) -> set[str]:
    store = database_store(None, Secret(postgres.url), None)
    try:
        return {*await DatabaseReports(store.database, lambda: 0.0, shared=True).processes()}
    finally:
        await store.aclose()


@pytest.fixture
async def confirmed(server: Server, sandbox: Sandbox, tmp_path: Path, operator: dict[str, str]) -> None:
    """Its process has confirmed a stop, and refuses what is stopped."""
    client = server.client(sandbox.access_token("alice"))
    thread = (await client.threads.create())["thread_id"]
    assert "user_alice01" in str(await client.runs.wait(thread, "agent", input=ASK))
    output = await asyncio.to_thread(said, f"stop enterprise {WAITS}", tmp_path, operator)
    assert "in force in 1 process that answered" in output
    answer = str(await client.runs.wait(thread, "agent", input=ASK))
    assert "an operator stopped the service enterprise" in answer


@ONE_LOOP
@pytest.mark.usefixtures("confirmed")
async def test_what_goes_on_is_named_and_then_the_process_that_was_killed(
    server: Server, sandbox: Sandbox, tmp_path: Path, operator: dict[str, str]
) -> None:
    client = server.client(sandbox.access_token("alice"))
    thread = (await client.threads.create())["thread_id"]
    asked = {"messages": [{"role": "user", "content": Leave(sandbox).question}]}
    await client.runs.wait(thread, "agent", input=asked)
    sandbox.cloud.counters.reset()
    sandbox.cloud.faults.set("function_compute", Fault(hang=True))
    await client.runs.create(thread, "agent", command={"resume": {"decisions": [{"type": "approve"}]}})
    await until(lambda: any("function_compute" in name for name in sandbox.cloud.counters.snapshot()))
    output = await asyncio.to_thread(said, f"stop leave {WAITS}", tmp_path, operator)
    assert "goes on: leave.leave_apply (write) for user_alice01 since" in output
    server.kill()
    sandbox.cloud.faults.clear()
    unconfirmed = partial(said, status=3)
    output = await asyncio.to_thread(unconfirmed, "stop --all --wait 0", tmp_path, operator)
    words = " ".join(output.split())
    assert "in force in 0 processes that answered" in words
    assert words.count("no answer within 0 s: process") == 1


@LOOPS_OF_RUNS
@pytest.mark.usefixtures("confirmed")
async def test_process_that_ends_is_not_waited_for(
    server: Server, tmp_path: Path, operator: dict[str, str], postgres: PostgresProcess
) -> None:
    assert len(await living(postgres)) == 1
    server.end()
    assert await living(postgres) == set()
    unconfirmed = partial(said, status=3)
    output = await asyncio.to_thread(unconfirmed, "stop --all --wait 0", tmp_path, operator)
    assert "no process was seen within an hour" in output
