"""`langgraph_sdk` of Python, unchanged, with the access token as its API key."""

import pytest
from langgraph_sdk import get_client

from tests.agent.api.langgraph.langgraph_process import Server
from tests.conftest import Sandbox
from tests.front_ends.langgraph.leave import Leave


@pytest.mark.promise("approval-binds")
async def test_approval_is_read_from_the_result_of_a_run_and_answered(
    langgraph_server: Server, sandbox: Sandbox, leave: Leave
) -> None:
    client = get_client(url=langgraph_server.url, api_key=sandbox.access_token("alice"))
    thread = (await client.threads.create())["thread_id"]
    given = {"messages": [{"role": "user", "content": leave.question}]}
    waiting = dict(await client.runs.wait(thread, "agent", input=given))
    [interrupt] = waiting["__interrupt__"]
    assert interrupt["value"]["action_requests"][0]["args"] == leave.arguments
    answer = {interrupt["value"]["approval"]["id"]: {"type": "approve"}}
    done = dict(await client.runs.wait(thread, "agent", command={"resume": answer}))
    assert "__interrupt__" not in done
    assert await leave.days() == [3]
