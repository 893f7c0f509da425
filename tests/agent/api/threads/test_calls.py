"""`GET /calls`: what the agent called for a user, over their conversations, and never for another one."""

from typing import Any

import pytest

from tests.agent.api.threads.served_threads import Threads, ThreadsOf
from tests.graph.scripted_model import DONE, calls
from tests.leave_application import APPLIES, LEAVE

pytestmark = pytest.mark.promise("threads-are-private")
WEATHER = calls(("maps_weather", {"city": "Hangzhou"}))


async def made(served: Threads, user: str = "alice", query: str = "") -> Any:
    return (await served.ask("GET", f"/calls{query}", user)).raise_for_status().json()


async def decided(served: Threads, body: dict[str, Any], thread: str = "leave") -> None:
    """Alice's decision about what the thread waits for; the run has ended."""
    [approval] = (await served.ask("GET", f"/threads/{thread}")).json()["approvals"]
    (await served.ask("POST", f"/threads/{thread}/approvals/{approval['id']}", body=body)).raise_for_status()
    async with served.stream("GET", f"/threads/{thread}/events") as events:
        await events.aread()


async def test_calls_of_all_conversations_say_whose_rights_they_had_and_what_was_decided(threads: ThreadsOf):
    served = await threads([WEATHER, DONE, APPLIES, DONE], ACCESS_IDENTITY="Machine")
    await served.say("The weather?", "weather")
    await served.say("Three days off", "leave")
    edited = {**LEAVE, "days": 2}
    await decided(served, {"decision": "edit", "arguments": edited})
    listed = await made(served)
    assert listed["next"] is None
    leave, weather = sorted(listed["calls"], key=lambda call: call["tool"])
    assert (leave["thread_id"], leave["thread_title"]) == ("leave", "Three days off")
    assert (leave["service"], leave["tool"], leave["outcome"]) == ("leave", "leave_apply", "ok")
    assert (leave["access_identity"], leave["credential_kind"]) == ("Human", "access_token")
    assert leave["arguments"] == edited
    [decision] = leave["decisions"]
    assert decision["at"] is not None
    assert decision | {"at": None} == {
        "decision": "approved",
        "at": None,
        "approvers": None,
        "changed": True,
        "grant": None,
    }
    assert (weather["access_identity"], weather["credential_kind"]) == ("Machine", "api_key")
    assert weather["decisions"] == []


async def test_call_that_waits_says_whose_rights_it_would_have(threads: ThreadsOf):
    served = await threads([APPLIES], ACCESS_IDENTITY="Machine")
    await served.say("Three days off", "leave")
    [call] = (await made(served))["calls"]
    assert (call["outcome"], call["decisions"][0]["decision"]) == ("unknown", "open")
    about = (call["service"], call["access_identity"], call["credential_kind"])
    assert about == ("leave", "Human", "access_token")


async def test_arguments_are_shown_with_all_digits_and_every_character(threads: ThreadsOf):
    served = await threads(
        [calls(("maps_weather", {"city": "\u202eevil", "days": 12345678901234567890})), DONE]
    )
    await served.say("The weather?", "weather")
    [call] = (await made(served))["calls"]
    assert call["display"] == [
        {"name": "city", "label": "city", "text": '"\\u202eevil"'},
        {"name": "days", "label": "days", "text": "12345678901234567890"},
    ]


async def test_call_that_was_declined_was_not_made(threads: ThreadsOf):
    served = await threads([APPLIES, DONE])
    await served.say("Three days off", "leave")
    await decided(served, {"decision": "reject"})
    [call] = (await made(served))["calls"]
    assert (call["outcome"], call["decisions"][0]["decision"]) == ("not_called", "declined")


async def test_calls_are_never_those_of_another_user(threads: ThreadsOf):
    served = await threads([WEATHER, DONE, APPLIES, DONE])
    await served.say("The weather?", "weather")
    await served.say("Three days off", "leave")
    assert len((await made(served))["calls"]) == 2
    assert await made(served, "bob") == {"calls": [], "next": None}


async def test_decisions_are_those_of_the_users_own_thread_though_another_has_one_of_its_name(
    threads: ThreadsOf,
):
    served = await threads([APPLIES, DONE, APPLIES, DONE])
    await served.say("Three days off", "same")
    await decided(served, {"decision": "reject"}, "same")
    await served.say("Three days off", "same", "bob")
    [call] = (await made(served, "bob"))["calls"]
    assert (call["tool"], call["decisions"]) == ("leave_apply", [])  # it failed: bob has no permission


async def test_call_of_a_replaced_question_stays_and_one_of_a_deleted_conversation_leaves(threads: ThreadsOf):
    served = await threads([WEATHER, DONE, DONE])
    await served.say("The weather?", "weather")
    messages = (await served.ask("GET", "/threads/weather")).json()["messages"]
    body = {"message_id": messages[0]["id"], "content": "Nothing"}
    (await served.ask("POST", "/threads/weather/versions", body=body)).raise_for_status()
    async with served.stream("GET", "/threads/weather/events") as events:
        await events.aread()
    [call] = (await made(served))["calls"]
    assert (call["tool"], call["replaced"]) == ("maps_weather", True)
    await served.ask("DELETE", "/threads/weather")
    assert await made(served) == {"calls": [], "next": None}


@pytest.mark.parametrize("bound", ["_ENOUGH", "_MUCH"])
async def test_cursor_goes_on_with_the_conversations_before_and_another_text_is_none(
    threads: ThreadsOf, monkeypatch: pytest.MonkeyPatch, bound: str
):
    served = await threads([WEATHER, DONE] * 2)
    monkeypatch.setattr(f"agent.api.calls.{bound}", 1)
    for thread in ("first", "second"):
        await served.say("The weather?", thread)
    newest = await made(served)
    earlier = await made(served, query=f"?before={newest['next']}")
    listed = [call["thread_id"] for page in (newest, earlier) for call in page["calls"]]
    assert sorted(listed) == ["first", "second"]
    assert (len(newest["calls"]), earlier["next"]) == (1, None)
    refused = await served.ask("GET", "/calls?before=nonsense")
    assert (refused.status_code, refused.json()["error"]["param"]) == (400, "before")
