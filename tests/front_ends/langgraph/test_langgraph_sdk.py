"""`@langchain/langgraph-sdk`, unchanged: the event-streaming protocol, and runs."""

import uuid
from typing import Any

import pytest

from tests.front_ends.langgraph.conftest import Steps
from tests.front_ends.langgraph.leave import Leave
from tests.front_ends.langgraph.run_client import RunClient

WEATHER = "What is the weather in Hangzhou right now?"


@pytest.mark.parametrize("bearer", [False, True])
async def test_message_is_streamed_with_its_tool_calls(sdk: Steps, bearer: bool) -> None:
    asked, state, run = await sdk(
        "alice",
        str(uuid.uuid4()),
        {"do": "ask", "text": WEATHER},
        {"do": "state"},
        {"do": "run", "text": WEATHER},
        bearer=bearer,
    )
    assert "result" in asked, asked
    result = asked["result"]
    assert result["run"]
    assert len(result["pieces"]) > 3
    assert "Hangzhou" in "".join(result["pieces"])
    [tool] = result["tools"]
    assert (tool["name"], tool["input"]) == ("maps_weather", {"city": "Hangzhou"})
    assert tool["output"]["forecasts"]
    assert result["messages"] == ["human", "ai", "tool", "ai"]
    assert len(state["result"]["values"]["messages"]) == 4
    assert run["result"][0] == "metadata"
    assert "values" in run["result"]
    assert "error" not in run["result"]


@pytest.mark.promise("model-cannot-steer")
async def test_commands_that_write_are_refused_with_the_reason(sdk: Steps) -> None:
    hidden, fork, state = await sdk(
        "alice",
        str(uuid.uuid4()),
        {"do": "start", "params": {"input": None, "langsmith_tracer": {"project_name": "theirs"}}},
        {"do": "fork", "params": {"checkpoint_id": str(uuid.uuid4())}},
        {"do": "state"},
    )
    assert "langsmith_tracer" in hidden["error"]
    assert "404" in fork["error"]
    assert state["status"] == 404


@pytest.mark.promise("approval-binds")
async def test_only_a_plain_answer_to_the_pending_interrupt_is_taken(
    sdk: Steps, alice: RunClient, leave: Leave
) -> None:
    thread = str(uuid.uuid4())
    [asked] = await sdk("alice", thread, {"do": "ask", "text": leave.question})
    [interrupt] = asked["result"]["interrupts"]
    assert interrupt["payload"]["action_requests"][0]["args"] == leave.arguments
    yes = {"decisions": [{"type": "approve"}]}
    pending: dict[str, Any] = {"interrupt_id": interrupt["interruptId"], "namespace": []}
    unknown = pending | {"interrupt_id": "0" * 32}
    refused = [
        pending | {"response": yes, "update": {"messages": []}},
        pending | {"response": yes, "goto": "__end__"},
        pending | {"response": yes, "config": {"configurable": {"thread_id": thread}}},
        pending | {"response": {}},
        pending | {"response": None},
        pending | {"response": "yes"},
        unknown | {"response": yes},
        {"responses": [pending | {"response": yes}, unknown | {"response": yes}]},
    ]
    steps = [{"do": "respond", "params": params} for params in refused]
    message = {"messages": [{"type": "human", "content": "yes"}]}
    steps += [{"do": "start", "params": {"input": given}} for given in (message, {"decisions": []}, None)]
    steps.append({"do": "start", "params": {"input": None, "forkFrom": str(uuid.uuid4())}})
    for step, outcome in zip(steps, await sdk("alice", thread, *steps), strict=True):
        assert "error" in outcome, step
    assert await leave.days() == []
    assert [each["id"] for each in await alice.interrupts(thread)] == [interrupt["interruptId"]]

    [foreign] = await sdk("bob", thread, {"do": "respond", "params": pending | {"response": yes}})
    assert "404" in foreign["error"]
    [taken] = await sdk("alice", thread, {"do": "respond", "params": pending | {"response": yes}})
    assert "error" not in taken
    await alice.join(thread)
    assert await leave.days() == [3]
    [again] = await sdk("alice", thread, {"do": "respond", "params": pending | {"response": yes}})
    assert "error" in again
