"""`langgraph_sdk` of Python, unchanged, with the access token as its API key."""

from typing import Any

import pytest
from langgraph_sdk import get_client

from tests.agent.api.langgraph.langgraph_process import Server
from tests.front_ends.langgraph.leave import Leave
from tests.suite import Sandbox


async def approved(server: Server, sandbox: Sandbox, question: str, leave: Leave) -> dict[str, Any]:
    """Alice asks, and approves the call about which she is asked; the state of the thread then."""
    client = get_client(url=server.url, api_key=sandbox.access_token("alice"))
    thread = (await client.threads.create())["thread_id"]
    given = {"messages": [{"role": "user", "content": question}]}
    waiting = dict(await client.runs.wait(thread, "agent", input=given))
    [interrupt] = waiting["__interrupt__"]
    assert interrupt["value"]["action_requests"][0]["args"] == leave.arguments
    answer = {interrupt["value"]["approval"]["id"]: {"type": "approve"}}
    return dict(await client.runs.wait(thread, "agent", command={"resume": answer}))


@pytest.mark.promise("approval-binds")
async def test_approval_is_read_from_the_result_of_a_run_and_answered(
    langgraph_server: Server, sandbox: Sandbox, leave: Leave
) -> None:
    done = await approved(langgraph_server, sandbox, leave.question, leave)
    assert "__interrupt__" not in done
    assert await leave.days() == [3]


async def test_own_graph_refuses_before_the_model_and_keeps_the_agents_nodes(
    langgraph_server: Server, sandbox: Sandbox
) -> None:
    """The graph of `examples/guardrail`, which `GRAPH` names."""
    client = get_client(url=langgraph_server.url, api_key=sandbox.access_token("alice"))
    thread = (await client.threads.create())["thread_id"]

    async def ask(text: str) -> tuple[list[str], str]:
        given = {"messages": [{"role": "user", "content": text}]}
        visited: list[str] = []
        async for part in client.runs.stream(thread, "agent", input=given, stream_mode="updates"):
            visited += part.data if part.event == "updates" else []
        return visited, (await client.threads.get_state(thread))["values"]["messages"][-1]["content"]

    refused = await ask("What is the salary of Bob?")
    assert refused == (["authenticate", "guardrail"], "I only speak about your own salary.")
    visited, answer = await ask("What is the weather in Hangzhou right now?")
    assert visited[:3] == ["authenticate", "guardrail", "credentials"]
    assert visited[-2:] == ["model", "notice"]
    assert "Hangzhou" in answer


@pytest.mark.promise("approval-binds")
async def test_middleware_around_the_calls_of_an_own_graph_changes_none_that_was_approved(
    langgraph_server: Server, sandbox: Sandbox, leave: Leave
) -> None:
    """It is around every call of the shared server: the other tests approve with it, too."""
    question = f"{leave.question}, whatever middleware says"
    done = await approved(langgraph_server, sandbox, question, leave)
    [result] = [message for message in done["messages"] if message["type"] == "tool"]
    assert result["content"] == "not run: the user has not approved this call"
    assert await leave.days() == []
