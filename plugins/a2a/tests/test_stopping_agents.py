"""A task that an agent's stop cuts off has failed at the next agent, and its context goes on."""

import pytest

from plugins.a2a.tests.official_client import ClientOf
from plugins.a2a.tests.task_updates import status_of, texts_of
from tests.agent.api.threads.script import TALE
from tests.agent.api.threads.served_threads import ThreadsOf


@pytest.mark.promise("shutdown-loses-nothing")
async def test_task_is_interrupted_by_the_stop_and_its_context_goes_on_at_the_next_agent(
    threads: ThreadsOf, client: ClientOf
) -> None:
    served = await threads([TALE], waits=True)
    at_once = {"returnImmediately": True}
    alice = await client(served, streaming=False)
    [sent] = await alice.send("A tale", context_id="a2a", configuration=at_once)
    await served.model.waiting.wait()

    await served.agent.aclose()

    after = await threads([TALE])
    read = (await after.ask("GET", "/threads/a2a")).json()
    assert read["status"] == "interrupted"
    assert read["messages"][-1]["content"].startswith("Once")
    alice = await client(after, streaming=False)
    status = status_of({"task": await alice.get(sent["task"]["id"])})
    assert status["state"] == "TASK_STATE_FAILED"
    assert status["message"]["metadata"]["idaas-agent"]["code"] == "shutting_down"
    [again] = await alice.send("Go on", context_id="a2a", message_id="m-2")
    assert texts_of(again["task"]) == ["Once upon a time"]
    assert (await after.ask("GET", "/threads/a2a")).json()["status"] == "idle"
