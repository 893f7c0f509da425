"""`idaas-agent stop` and Aegra: each process confirms a stop, and is named when it was killed."""

import asyncio
import secrets
from collections.abc import Iterator
from typing import Any

import psycopg
import pytest

from plugins.aegra.tests.apart.aegra_process import Aegra, aegra
from tests.databases.postgres_process import PostgresProcess
from tests.databases.redis_process import RedisProcess
from tests.every_command import CONFIGURATION, typed
from tests.suite import Sandbox

pytestmark = pytest.mark.promise("stopped-refused")

ASK = {"messages": [{"role": "user", "content": "Call my enterprise service"}]}


@pytest.fixture
def stoppable(
    running_sandbox: Any,
    tmp_path_factory: pytest.TempPathFactory,
    aegra_postgres: PostgresProcess,
    aegra_redis: RedisProcess,
) -> Iterator[Aegra]:
    """A server and a worker, whose processes no others record themselves beside."""
    running, _ = running_sandbox
    name = f"stops_{secrets.token_hex(4)}"
    with psycopg.connect(aegra_postgres.url_of("postgres"), autocommit=True) as connection:
        connection.execute(f"CREATE DATABASE {name}")
    variables = {"CONVERSATIONS_URL": aegra_postgres.url_of(name)}
    folder = tmp_path_factory.mktemp("stoppable_aegra")
    with aegra(running, folder, aegra_postgres, aegra_redis, variables) as started:
        started.server.wait()
        started.start(workers=1)
        yield started


async def test_processes_confirm_a_stop_and_one_that_was_killed_is_named(
    stoppable: Aegra, sandbox: Sandbox
) -> None:
    names = (CONFIGURATION, "AGENT_AUDIENCE", "CONVERSATIONS_URL", "REDIS_URL")
    operator = {name: stoppable.environment[name] for name in names}
    operator["AUDIT_LOG_FILE"] = str(stoppable.folder / "operator.jsonl")

    async def say(words: str) -> tuple[int, str]:
        status, output = await asyncio.to_thread(typed, words, stoppable.folder, operator)
        return status, " ".join(output.split())

    client = stoppable.client(sandbox.access_token("alice"))
    thread = (await client.threads.create())["thread_id"]
    try:
        status, output = await say("stop enterprise --wait 50")
        assert "in force in 2 processes that answered" in output
        assert status == 0, output
        answer = str(await client.runs.wait(thread, "agent", input=ASK))
        assert "an operator stopped the service enterprise" in answer
        stoppable.processes[1].kill()
        status, output = await say("stop enterprise")
        assert "in force in 1 process that answered" in output
        assert output.count("no answer within 2 s: process") == 1
        assert status == 3, output
    finally:
        await say("start enterprise")  # all agents of the tests have the same Redis
