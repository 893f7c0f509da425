"""A run of a conversation that an agent's stop cuts off is continued at the next agent, on every surface."""

from typing import Any

import pytest
from langchain_core.messages import AIMessage

from graph.error_codes import GraphCode
from identity.errors import ServiceError
from tests.agent.api.ag_ui.test_thread_runs import ROUTE
from tests.agent.api.ag_ui.test_thread_runs import body as ag_ui_body
from tests.agent.api.threads.served_threads import CHAT, Threads, ThreadsOf

TALE = AIMessage("Once upon a time")
DOWN = ServiceError(GraphCode.MODEL_CALL_FAILED, "down")


async def until_it_waits(served: Threads) -> None:
    await served.model.waiting.wait()
    served.model.waiting.clear()


async def leave(served: Threads, path: str, body: dict[str, Any]) -> None:
    """Starts a run, and disconnects while the model responds."""
    async with served.stream("POST", path, "alice", body):
        await until_it_waits(served)


@pytest.mark.promise("shutdown-loses-nothing")
async def test_run_that_no_client_reads_is_interrupted_by_the_stop_and_continued_on_every_surface(
    threads: ThreadsOf,
) -> None:
    served = await threads([DOWN, TALE], waits=True)
    await served.say("A tale", "continued")
    assert (await served.ask("POST", "/threads/continued/continue")).status_code == 202
    await until_it_waits(served)
    asked = {"messages": [{"role": "user", "content": "A tale"}], "stream": True}
    await leave(served, CHAT, asked | {"metadata": {"thread_id": "openai", "on_disconnect": "continue"}})
    question = ag_ui_body("A tale", thread="ag-ui")
    await leave(served, ROUTE, question | {"forwardedProps": {"on_disconnect": "continue"}})

    await served.agent.aclose()

    after = await threads([TALE])
    for thread in ("continued", "openai", "ag-ui"):
        read = (await after.ask("GET", f"/threads/{thread}")).json()
        assert (thread, read["status"]) == (thread, "interrupted")
        assert read["messages"][-1]["content"].startswith("Once")
    assert (await after.ask("POST", "/threads/continued/continue")).status_code == 202
    assert (await after.say("Go on", "openai")).status_code == 200
    assert "RUN_FINISHED" in (await after.ask("POST", ROUTE, body=question)).text
    async with after.stream("GET", "/threads/continued/events") as response:
        await response.aread()
    for thread in ("continued", "openai", "ag-ui"):
        assert (await after.ask("GET", f"/threads/{thread}")).json()["status"] == "idle"
