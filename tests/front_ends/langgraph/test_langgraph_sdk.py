"""`@langchain/langgraph-sdk`, unchanged: the event-streaming protocol, and runs."""

import uuid

import pytest

from tests.front_ends.langgraph.conftest import Steps

WEATHER = "What is the weather in Hangzhou right now?"


async def test_message_is_streamed_with_its_tool_calls(sdk: Steps) -> None:
    asked, state, run = await sdk(
        "alice",
        str(uuid.uuid4()),
        {"do": "ask", "text": WEATHER},
        {"do": "state"},
        {"do": "run", "text": WEATHER},
    )
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


@pytest.mark.promise("users-never-cross")
async def test_thread_of_another_user_is_not_found(sdk: Steps) -> None:
    thread = str(uuid.uuid4())
    [asked] = await sdk("alice", thread, {"do": "ask", "text": WEATHER})
    assert "result" in asked
    params = {"interrupt_id": "9f0c5ee5c9f84b0f9d5b1f0d6c1a2b3c", "response": {}}
    for outcome in await sdk(
        "bob",
        thread,
        {"do": "state"},
        {"do": "history"},
        {"do": "start", "params": {"input": None}},
        {"do": "respond", "params": params},
        {"do": "run", "text": WEATHER},
    ):
        assert outcome["status"] == 404 or "404" in outcome["error"], outcome


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
