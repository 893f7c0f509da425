"""A person who can write to the database of Aegra changes what is queued."""

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import psycopg
import pytest

from plugins.aegra.tests.apart.aegra_process import Aegra
from tests.front_ends.langgraph.leave import Leave
from tests.suite import Sandbox

pytestmark = pytest.mark.promise("users-never-cross")

ASK = {"messages": [{"role": "user", "content": "Call my enterprise service"}]}
NO = {"decisions": [{"type": "reject", "message": "no", "numbers": [1e15, -0.0, 1.0, 0.1, 2**60]}]}


@contextmanager
def worker(own_aegra: Aegra) -> Iterator[None]:
    started = own_aegra.start(workers=1)
    try:
        yield
    finally:
        started.kill()


def change(own_aegra: Aegra, run: Any, old: str, new: str) -> None:
    """Replaces a text of the row of a run."""
    with psycopg.connect(own_aegra.database) as connection:
        changed = connection.execute(
            "UPDATE runs SET execution_params = replace(execution_params::text, %s, %s)::jsonb"
            " WHERE run_id = %s AND position(%s in execution_params::text) > 0",
            (old, new, run["run_id"], old),
        )
        assert changed.rowcount == 1


async def test_question_that_was_changed_is_not_asked(own_aegra: Aegra, sandbox: Sandbox) -> None:
    client = own_aegra.client(sandbox.access_token("alice"))
    thread = (await client.threads.create())["thread_id"]
    run = await client.runs.create(thread, "agent", input=ASK)
    change(own_aegra, run, "Call my enterprise service", "What is the weather in Hangzhou?")
    sandbox.cloud.counters.reset()
    with worker(own_aegra):
        ended: Any = await client.runs.join(thread, run["run_id"])
    assert "sign_in_required" in ended["__error__"]["message"]
    assert [name for name in sandbox.cloud.counters.snapshot() if "model_studio" in name] == []


@pytest.mark.promise("approval-binds")
async def test_answer_that_was_changed_is_not_taken(own_aegra: Aegra, sandbox: Sandbox) -> None:
    leave = Leave(sandbox)
    client = own_aegra.client(sandbox.access_token("alice"))
    with worker(own_aegra):
        threads = [(await client.threads.create())["thread_id"] for _ in range(2)]
        given = {"messages": [{"role": "user", "content": leave.question}]}
        for thread in threads:
            await client.runs.wait(thread, "agent", input=given)
    changed, unchanged = [
        await client.runs.create(thread, "agent", command={"resume": NO}) for thread in threads
    ]
    change(own_aegra, changed, '"reject"', '"approve"')
    with worker(own_aegra):
        await client.runs.join(threads[0], changed["run_id"])
        ended: Any = await client.runs.join(threads[1], unchanged["run_id"])
    assert "messages" in ended, ended  # the row has the answer as JSONB, with its numbers
    assert await leave.days() == []


async def test_run_of_a_row_that_names_another_user_ends(own_aegra: Aegra, sandbox: Sandbox) -> None:
    client = own_aegra.client(sandbox.access_token("alice"))
    thread = (await client.threads.create())["thread_id"]
    run = await client.runs.create(thread, "agent", input=ASK)
    change(own_aegra, run, '"identity": "user_alice01"', '"identity": "user_bob01"')
    sandbox.cloud.counters.reset()
    with worker(own_aegra):
        async with asyncio.timeout(60):
            while (ended := await client.runs.get(thread, run["run_id"]))["status"] != "error":  # noqa: ASYNC110 - of another process
                await asyncio.sleep(0.1)  # another process: there is no event to wait for
    assert "no worker can execute it" in str(ended)
    assert (await client.threads.get(thread))["status"] == "error"
    assert [name for name in sandbox.cloud.counters.snapshot() if "model_studio" in name] == []
