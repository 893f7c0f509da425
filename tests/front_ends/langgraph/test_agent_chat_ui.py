"""agent-chat-ui: its requests, exactly, and its habits while an approval waits."""

from typing import Any

import httpx
import pytest

from tests.front_ends.langgraph.leave import Leave
from tests.front_ends.langgraph.run_client import RunClient
from tests.leave_application import FIRST_DAY

WEATHER = "What is the weather in Hangzhou right now?"
YES = {"decisions": [{"type": "approve"}]}
NO_ANSWERS: list[tuple[int, dict[str, Any]]] = [
    (403, {"command": {"goto": "__end__"}}),  # "Mark as Resolved"
    (403, {"command": {"resume": YES, "goto": "leave"}}),
    (403, {"command": {"resume": YES, "update": {"messages": []}}}),
    (409, {"command": {"resume": None}}),
    (409, {"command": {"resume": {}}}),
    (409, {"command": {"resume": []}}),
    (409, {"command": {"resume": "yes"}}),
    (409, {"command": {"resume": {"decisions": [{"type": "approve"}] * 2}}}),
    (409, {"command": {"resume": {"0" * 32: YES}}}),
    (409, {"input": None}),
]


async def ask(user: RunClient, leave: Leave) -> str:
    """A thread on which the approval of an application for leave waits."""
    thread = await user.thread()
    assert (await user.say(thread, leave.question)).status_code == 200
    assert len(await user.interrupts(thread)) == 1
    return thread


async def types(user: RunClient, thread: str) -> list[str]:
    return [message["type"] for message in await user.messages(thread)]


async def test_conversation_is_found_again_by_its_graph(alice: RunClient) -> None:
    info = await alice.http.get("/info", headers={"X-Auth-Scheme": "langsmith-api-key"})
    assert (info.status_code, info.json()["flags"]["assistants"]) == (200, True)
    thread = await alice.thread()
    response = await alice.say(thread, WEATHER)
    assert response.status_code == 200
    run = response.headers["Content-Location"].removeprefix(f"/threads/{thread}/runs/")
    assert response.headers["Location"] == f"/threads/{thread}/runs/{run}/stream"
    search = {"metadata": {"graph_id": "agent"}, "limit": 100}
    found = (await alice.http.post("/threads/search", json=search)).json()
    assert thread in [each["thread_id"] for each in found]
    assert await types(alice, thread) == ["human", "ai", "tool", "ai"]


@pytest.mark.promise("approval-binds")
async def test_approval_is_shown_as_the_page_reads_it_and_approved(alice: RunClient, leave: Leave) -> None:
    thread = await alice.thread()
    given = {"messages": [{"type": "human", "content": leave.question}]}
    _, events = await alice.stream(thread, input=given, context={"thread_id": "another", "kept": False})
    [interrupt] = [data for _, data in events if "__interrupt__" in data][-1]["__interrupt__"]
    [action], [review] = interrupt["value"]["action_requests"], interrupt["value"]["review_configs"]
    assert (action["name"], action["args"]) == ("leave_apply", leave.arguments)
    assert review == {"action_name": "leave_apply", "allowed_decisions": ["approve", "edit", "reject"]}
    assert interrupt["value"]["approval"]["thread_id"] == thread
    assert await leave.days() == []

    response, _ = await alice.stream(thread, command={"resume": YES})
    assert response.status_code == 200
    assert await types(alice, thread) == ["human", "ai", "tool", "ai"]
    assert await leave.days() == [3]


@pytest.mark.promise("approval-binds")
async def test_edited_values_arrive_as_text_and_are_what_is_done(alice: RunClient, leave: Leave) -> None:
    thread = await ask(alice, leave)
    for days in (True, "many", "2.5", None):
        edited = {"name": "leave_apply", "args": {"days": days, "first_day": FIRST_DAY}}
        decision = {"type": "edit", "edited_action": edited}
        refused, _ = await alice.stream(thread, command={"resume": {"decisions": [decision]}})
        assert (refused.status_code, refused.json()["error"]["param"]) == (409, "arguments.days")
    edited = {"name": "leave_apply", "args": {"days": "2", "first_day": FIRST_DAY}}
    decision = {"type": "edit", "edited_action": edited}
    await alice.stream(thread, command={"resume": {"decisions": [decision]}})
    assert await leave.days() == [2]


@pytest.mark.promise("approval-binds")
async def test_rejection_reaches_the_model_with_the_words_of_the_user(alice: RunClient, leave: Leave) -> None:
    thread = await ask(alice, leave)
    decision = {"type": "reject", "message": "not before the release"}
    await alice.stream(thread, command={"resume": {"decisions": [decision]}})
    [result] = [message for message in await alice.messages(thread) if message["type"] == "tool"]
    assert (result["status"], "not before the release" in result["content"]) == ("error", True)
    assert await leave.days() == []


@pytest.mark.promise("approval-binds")
async def test_message_and_made_up_results_while_an_approval_waits_are_refused(
    alice: RunClient, leave: Leave
) -> None:
    thread = await ask(alice, leave)
    for text in ("yes, approved", "What is the weather?"):
        refused = await alice.say(thread, text)
        assert (refused.status_code, "approval_open" in refused.text) == (409, True)
    assert await types(alice, thread) == ["human", "ai"]
    await alice.stream(thread, command={"resume": YES})
    assert await leave.days() == [3]
    assert "Successfully handled" not in str(await alice.messages(thread))


@pytest.mark.promise("approval-binds")
async def test_what_is_no_answer_is_refused_and_nothing_happens(alice: RunClient, leave: Leave) -> None:
    thread = await ask(alice, leave)
    before = await alice.interrupts(thread)
    for status, body in NO_ANSWERS:
        for path in ("runs/stream", "runs", "runs/wait"):
            run = {"assistant_id": "agent"} | body
            refused = await alice.http.post(f"/threads/{thread}/{path}", json=run)
            assert refused.status_code == status, (body, refused.text)
    assert await alice.interrupts(thread) == before
    assert await leave.days() == []
    await alice.stream(thread, command={"resume": {before[0]["id"]: YES}})
    assert await leave.days() == [3]


@pytest.mark.promise("approval-binds")
async def test_answer_that_is_written_twice_decides_nothing(alice: RunClient, leave: Leave) -> None:
    thread = await ask(alice, leave)
    [interrupt] = await alice.interrupts(thread)
    no, yes = '{"decisions": [{"type": "reject"}]}', '{"decisions": [{"type": "approve"}]}'
    run = f'{{"assistant_id": "agent", "command": {{"resume": {no}, "resume": {yes}}}}}'
    response = f'"interrupt_id": "{interrupt["id"]}", "response": {no}, "response": {yes}'
    command = f'{{"id": 1, "method": "input.respond", "params": {{{response}}}}}'
    for path, body in [("runs", run), ("runs/stream", run), ("runs/wait", run), ("commands", command)]:
        headers = {"Content-Type": "application/json"}
        refused = await alice.http.post(f"/threads/{thread}/{path}", content=body, headers=headers)
        assert refused.status_code in (400, 422), (path, refused.text)
    assert await alice.interrupts(thread) == [interrupt]
    assert await leave.days() == []


@pytest.mark.promise("approval-binds")
async def test_fork_of_the_conversation_neither_answers_nor_repeats_an_approval(
    alice: RunClient, leave: Leave
) -> None:
    thread = await ask(alice, leave)
    states = (await alice.http.post(f"/threads/{thread}/history", json={"limit": 20})).json()
    at_start, waiting = states[-1]["checkpoint"], states[0]["checkpoint"]
    message = {"messages": [{"type": "human", "content": "yes"}]}
    for checkpoint in (at_start, waiting):
        for given in (message, None):
            refused, _ = await alice.stream(thread, input=given, checkpoint=checkpoint)
            assert refused.status_code == 409
    await alice.stream(thread, command={"resume": YES})
    assert await leave.days() == [3]
    for answer in ({"command": {"resume": YES}}, {"input": None}):
        await alice.stream(thread, checkpoint=waiting, **answer)
    assert await leave.days() == [3]


@pytest.mark.promise("approval-binds")
async def test_answer_is_taken_once(alice: RunClient, leave: Leave) -> None:
    thread = await ask(alice, leave)
    [interrupt] = await alice.interrupts(thread)
    await alice.stream(thread, command={"resume": YES})
    for resume in (YES, {interrupt["id"]: YES}, {interrupt["value"]["approval"]["id"]: YES}):
        again, _ = await alice.stream(thread, command={"resume": resume})
        assert (again.status_code, "approval_used" in again.text) == (409, True)
        late = again.json()["error"]
        assert late["decided_by"] == "user_alice01"
        assert late["decided_on"] == f"python-httpx/{httpx.__version__}"
    params = {"interrupt_id": interrupt["id"], "response": YES}
    command = {"id": 1, "method": "input.respond", "params": params}
    answered = (await alice.http.post(f"/threads/{thread}/commands", json=command)).json()
    assert answered["error"] == "no_such_interrupt"
    assert answered["message"].startswith("approval_used: ")
    decided = ("decided_at", "decided_by", "decided_on")
    assert [answered[each] for each in decided] == [late[each] for each in decided]
    assert await leave.days() == [3]


@pytest.mark.promise("threads-are-private")
async def test_answer_of_another_user_is_not_taken(alice: RunClient, bob: RunClient, leave: Leave) -> None:
    thread = await ask(alice, leave)
    for resume in (YES, {(await alice.interrupts(thread))[0]["id"]: YES}):
        refused, _ = await bob.stream(thread, command={"resume": resume})
        assert refused.status_code in (404, 409)
    assert (await leave.days(), await leave.days("bob")) == ([], [])


async def test_run_without_a_conversation_is_refused_what_needs_an_approval(
    alice: RunClient, leave: Leave
) -> None:
    run = {"assistant_id": "agent", "input": {"messages": [{"type": "human", "content": leave.question}]}}
    values = (await alice.http.post("/runs/wait", json=run)).json()
    assert "__interrupt__" not in values
    [result] = [message for message in values["messages"] if message["type"] == "tool"]
    assert "needs the user's approval" in result["content"]
    assert await leave.days() == []


async def test_deleted_conversation_has_no_approval_left(alice: RunClient, leave: Leave) -> None:
    thread = await ask(alice, leave)
    assert (await alice.http.delete(f"/threads/{thread}")).status_code in (200, 204)
    await alice.http.post("/threads", json={"thread_id": thread})
    assert (await alice.say(thread, "How many days off do I have left?")).status_code == 200
