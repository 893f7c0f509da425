"""Agent Inbox: its requests, exactly. Its answers are lists of one, and edited values are texts."""

from typing import Any

import pytest

from tests.front_ends.langgraph.leave import Leave
from tests.front_ends.langgraph.run_client import RunClient
from tests.front_ends.langgraph.test_agent_chat_ui import ask
from tests.leave_application import FIRST_DAY

pytestmark = pytest.mark.promise("approval-binds")


async def answer(user: RunClient, thread: str, response: dict[str, Any]) -> None:
    """As the inbox resumes, whose stream mode shows every step."""
    answered, _ = await user.stream(thread, command={"resume": [response]}, stream_mode="events")
    assert answered.status_code == 200


async def test_waiting_conversation_is_listed_with_its_arguments(
    alice: RunClient, leave: Leave, pytestconfig: pytest.Config
) -> None:
    thread = await ask(alice, leave)
    search = {"status": "interrupted", "limit": 10, "offset": 0, "metadata": {"graph_id": "agent"}}
    listed = (await alice.http.post("/threads/search", json=search)).json()
    [row] = [each for each in listed if each["thread_id"] == thread]
    state = (await alice.http.get(f"/threads/{thread}/state")).json()
    [interrupt] = state["tasks"][0]["interrupts"]
    [action] = interrupt["value"]["action_requests"]
    assert (action["name"], action["arguments"]) == ("leave_apply", leave.arguments)
    if pytestconfig.getoption("--langgraph-server") == "aegra":  # its list is without what waits
        assert "interrupts" not in row
    else:
        [[listed_interrupt]] = row["interrupts"].values()
        assert (listed_interrupt["id"], listed_interrupt["value"]) == (interrupt["id"], interrupt["value"])


@pytest.mark.parametrize(
    ("response", "days", "words"),
    [
        ({"type": "accept", "args": None}, [3], "applied"),
        ({"type": "ignore", "args": None}, [], "declined"),
        ({"type": "response", "args": "ask my manager first"}, [], "ask my manager first"),
    ],
)
async def test_answer_is_a_list_of_one(
    alice: RunClient, leave: Leave, response: dict[str, Any], days: list[int], words: str
) -> None:
    thread = await ask(alice, leave)
    await answer(alice, thread, response)
    assert await leave.days() == days
    assert (await alice.http.get(f"/threads/{thread}")).json()["status"] == "idle"
    [result] = [message for message in await alice.messages(thread) if message["type"] == "tool"]
    assert words in result["content"]


async def test_edited_values_are_texts(alice: RunClient, leave: Leave) -> None:
    thread = await ask(alice, leave)
    edited = {"action": "leave_apply", "args": {"days": "1", "first_day": FIRST_DAY}}
    await answer(alice, thread, {"type": "edit", "args": edited})
    assert await leave.days() == [1]


async def test_ignoring_a_thread_by_its_state_is_refused_and_nothing_happens(
    alice: RunClient, leave: Leave
) -> None:
    thread = await ask(alice, leave)
    before = await alice.interrupts(thread)
    ended = {"values": None, "as_node": "__end__"}
    refused = await alice.http.post(f"/threads/{thread}/state", json=ended)
    assert refused.status_code in (403, 404)
    assert await alice.interrupts(thread) == before
    await answer(alice, thread, {"type": "accept", "args": None})
    assert await leave.days() == [3]
