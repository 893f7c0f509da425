"""`/threads`: conversations are listed, read, renamed, deleted, restored and exported by their owner."""

import asyncio
import json
from typing import Any

import httpx
import pytest
from langchain_core.messages import AIMessage, HumanMessage

from agent.conversations.database.database import query
from agent.conversations.owned_thread import RunKey, stored_owner
from agent.conversations.thread import MAX_TITLE
from agent.conversations.threads import ThreadStore
from tests.agent.api.threads.served_threads import Threads, ThreadsOf
from tests.graph.scripted_model import DONE, calls
from tests.leave_application import APPLIES, LEAVE
from tests.responsive import responsive

LONG = "x" * 2001
WEATHER = calls(("maps_weather", {"city": "Hangzhou"}))


async def listed(threads: Threads, query: str = "", user: str = "alice") -> list[str]:
    response = await threads.ask("GET", f"/threads{query}", user)
    return [thread["id"] for thread in response.json()["threads"]]


async def test_thread_has_the_title_of_its_question_and_the_messages_of_its_run(threads: ThreadsOf) -> None:
    served = await threads([WEATHER, DONE])
    await served.say("What is the weather in Hangzhou?")
    body = (await served.ask("GET", "/threads/thread-1")).json()
    assert body["title"] == "What is the weather in Hangzhou?"
    assert (body["status"], body["run"], body["approvals"], body["next"]) == ("idle", None, [], None)
    assert [message["role"] for message in body["messages"]] == ["user", "assistant", "tool", "assistant"]
    assert body["messages"][-1]["content"] == "done"
    assert body["created_at"].endswith("Z")


async def test_message_that_is_not_whole_says_why(threads: ThreadsOf) -> None:
    ends = [{"finish_reason": each} for each in ("length", "content_filter", "stop")]
    served = await threads(
        [AIMessage(text, response_metadata=end) for text, end in zip(("Once", "", "Now"), ends, strict=True)]
    )
    answers = [(await served.say("A tale")).json()["choices"][0]["finish_reason"] for _ in ends]
    assert answers == ["length", "content_filter", "stop"]
    messages = (await served.ask("GET", "/threads/thread-1")).json()["messages"]
    shown = [each["metadata"]["idaas-agent"] for each in messages if each["role"] == "assistant"]
    assert [each.get("finish_reason") for each in shown] == ["length", "content_filter", None]


async def test_thread_is_opened_once(threads: ThreadsOf) -> None:
    served = await threads()
    opened = await served.ask("POST", "/threads", body={"id": "mine", "title": "  Two\n lines "})
    assert (opened.status_code, opened.json()["title"]) == (201, "Two lines")
    again = await served.ask("POST", "/threads", body={"id": "mine", "title": "Other"})
    assert again.json() == opened.json()
    unnamed = await served.ask("POST", "/threads")
    assert len(unnamed.json()["id"]) == 32
    assert sorted(await listed(served)) == sorted(["mine", unnamed.json()["id"]])


async def test_list_has_pages_and_a_search(threads: ThreadsOf) -> None:
    served = await threads()
    for number in range(5):
        served.sandbox.clock.advance(1)
        await served.ask("POST", "/threads", body={"id": f"t{number}", "title": f"Question {number}"})
    first = (await served.ask("GET", "/threads?limit=2")).json()
    assert [each["id"] for each in first["threads"]] == ["t4", "t3"]
    rest = (await served.ask("GET", f"/threads?limit=3&before={first['next']}")).json()
    assert ([each["id"] for each in rest["threads"]], rest["next"]) == (["t2", "t1", "t0"], None)
    assert await listed(served, "?search=QUESTION 3") == ["t3"]
    await served.say("What is the weather on the lake?", "t1")
    assert await listed(served, "?search=weather LAKE done") == ["t1"]
    assert await listed(served, "?search=weather", "bob") == []


async def test_search_of_a_client_that_leaves_ends(
    threads: ThreadsOf, monkeypatch: pytest.MonkeyPatch
) -> None:
    served, begun, ended = await threads(), asyncio.Event(), asyncio.Event()

    async def search(*_: Any, **__: Any) -> Any:
        begun.set()
        try:
            await asyncio.Event().wait()
        finally:
            ended.set()

    monkeypatch.setattr(ThreadStore, "page", search)
    asked = asyncio.create_task(served.ask("GET", "/threads?search=lake"))
    async with asyncio.timeout(30):
        await begun.wait()
        asked.cancel()
        await ended.wait()


async def test_renamed_thread_keeps_its_title(threads: ThreadsOf) -> None:
    served = await threads()
    await served.say("hello")
    renamed = await served.ask("PATCH", "/threads/thread-1", body={"title": "Greeting"})
    assert (renamed.status_code, renamed.json()["title"]) == (200, "Greeting")
    await served.say("hello again")
    assert (await served.ask("GET", "/threads/thread-1")).json()["title"] == "Greeting"


async def test_deleted_thread_is_absent_until_it_is_restored(threads: ThreadsOf) -> None:
    served = await threads()
    await served.say("hello")
    deleted = await served.ask("DELETE", "/threads/thread-1")
    assert (deleted.status_code, deleted.content) == (204, b"")
    for method, path in (("GET", ""), ("DELETE", ""), ("GET", "/messages"), ("GET", "/export")):
        assert (await served.ask(method, f"/threads/thread-1{path}")).status_code == 404
    assert (await served.say("hello?")).status_code == 404
    assert await listed(served) == []
    restored = await served.ask("POST", "/threads/thread-1/restore")
    assert restored.status_code == 200
    assert len((await served.ask("GET", "/threads/thread-1")).json()["messages"]) == 2


async def test_all_threads_of_one_caller_are_deleted(threads: ThreadsOf) -> None:
    served = await threads()
    for user in ("alice", "bob"):
        for number in range(2):
            await served.ask("POST", "/threads", user, {"id": f"t{number}"})
    assert (await served.ask("DELETE", "/threads")).json() == {"deleted": 2}
    assert await listed(served) == []
    assert len(await listed(served, user="bob")) == 2


async def test_messages_are_read_page_by_page_from_the_newest(threads: ThreadsOf) -> None:
    served = await threads()
    for number in range(3):
        await served.say(f"question {number}")
    newest = (await served.ask("GET", "/threads/thread-1/messages?limit=4")).json()
    assert [message["content"] for message in newest["messages"]] == [
        "question 1",
        "done",
        "question 2",
        "done",
    ]
    oldest = (await served.ask("GET", f"/threads/thread-1/messages?before={newest['next']}")).json()
    assert [message["content"] for message in oldest["messages"]] == ["question 0", "done"]
    assert oldest["next"] is None


async def test_export_has_the_whole_conversation_as_a_file(threads: ThreadsOf) -> None:
    served = await threads([WEATHER, DONE])
    await served.say("What is the weather in Hangzhou?")
    response = await served.ask("GET", "/threads/thread-1/export")
    assert response.headers["content-disposition"] == 'attachment; filename="conversation-thread-1.json"'
    body = response.json()
    assert [message["type"] for message in body["messages"]] == ["human", "ai", "tool", "ai"]
    assert body["messages"][1]["tool_calls"][0]["args"] == {"city": "Hangzhou"}
    assert all(message["created_at"].endswith("Z") for message in body["messages"])


async def test_export_says_what_was_proposed_called_and_decided(threads: ThreadsOf) -> None:
    served = await threads([APPLIES, DONE, APPLIES, DONE], ACCESS_IDENTITY="Human")
    decisions = [
        {"decision": "edit", "arguments": LEAVE | {"days": 1}},
        {"decision": "reject", "message": "Not now."},
    ]
    for number, decision in enumerate(decisions):
        await served.say(f"Apply {number}")
        [approval] = (await served.ask("GET", "/threads/thread-1")).json()["approvals"]
        path = f"/threads/thread-1/approvals/{approval['id']}"
        await served.ask("POST", path, body=decision, **{"User-Agent": "A phone"})
        await served.ask("GET", "/threads/thread-1/events")
        served.sandbox.clock.advance(1)  # the oldest is first
    body = (await served.ask("GET", "/threads/thread-1/export")).json()
    proposals = [call["args"] for message in body["messages"] for call in message.get("tool_calls", ())]
    assert [args["days"] for args in proposals] == [3, 1, 3]
    edited, rejected = body["approvals"]
    assert (edited["status"], edited["edited"]) == ("used", True)
    assert (rejected["status"], rejected["edited"]) == ("rejected", False)
    for shown in (edited, rejected):
        assert shown["decided_by"] == "user_alice01"
        assert shown["decided_on"] == "A phone"
        assert shown["decided_at"].endswith("Z")
        assert (shown["tool"], shown["access_identity"], shown["approvers"]) == ("leave_apply", "Human", None)
    assert edited["call_id"] in {message.get("tool_call_id") for message in body["messages"]}
    assert "Not now." in body["messages"][-2]["content"]


async def test_large_conversation_is_exported_whole_while_others_are_served(threads: ThreadsOf) -> None:
    served = await threads()
    await served.say("hello")
    store = served.agent.kept.conversations.threads
    [[owner]] = await store._database.read(lambda: query("SELECT owner FROM threads"))
    for number in range(10):
        text = [HumanMessage(f"{number} " + "long " * 400_000)]
        await store.begin_run(
            RunKey(stored_owner(owner).thread("thread-1"), f"r{number}"), "p", messages=text
        )
        await store.end_run(
            RunKey(stored_owner(owner).thread("thread-1"), f"r{number}"), "idle", [AIMessage("ok")]
        )
    async with responsive(0.1), served.stream("GET", "/threads/thread-1/export") as response:
        assert response.status_code == 200
        parts = [part async for part in response.aiter_raw()]
    body = json.loads(whole := b"".join(parts))
    assert len(whole) > 20_000_000
    assert [each["content"][:2] for each in body["messages"][2::2]] == [f"{number} " for number in range(10)]


async def test_export_that_fails_midway_is_cut_off_and_no_whole_response(threads: ThreadsOf) -> None:
    served = await threads()
    await served.say("hello")
    database = served.agent.kept.conversations.threads._database
    await database.write(lambda: query("UPDATE messages SET body = ? WHERE seq = 1", b"of another program"))
    async with served.stream("GET", "/threads/thread-1/export") as response:
        assert response.status_code == 200
        with pytest.raises(httpx.RemoteProtocolError):
            await response.aread()


FAULTS: list[tuple[str, str, Any, str | None, str]] = [
    ("GET", "?limit=0", None, "limit", "integer_below_min_value"),
    ("GET", "?limit=201", None, "limit", "integer_above_max_value"),
    ("GET", "?limit=many", None, "limit", "invalid_value"),
    ("GET", "?before=nonsense", None, "before", "invalid_request"),
    ("GET", f"?search={'x' * 201}", None, "search", "string_above_max_length"),
    ("GET", "/t/messages?before=0", None, "before", "integer_below_min_value"),
    ("POST", "", {"id": "not valid"}, "id", "invalid_value"),
    ("POST", "", {"id": "x" * 65}, "id", "invalid_value"),
    ("POST", "", {"title": ""}, "title", "empty_string"),
    ("POST", "", {"owner": "bob"}, "owner", "unknown_parameter"),
    ("POST", "", [], None, "invalid_request"),
    ("PATCH", "/t", {}, "title", "missing_required_parameter"),
    ("PATCH", "/t", {"title": 1}, "title", "invalid_type"),
    ("PATCH", "/t", {"title": "\x01 \n"}, "title", "invalid_value"),
    ("PATCH", "/t", {"title": "x" * (MAX_TITLE + 1)}, "title", "string_above_max_length"),
    ("POST", "/t/approvals/a", {"decision": "maybe"}, "decision", "invalid_value"),
    ("POST", "/t/approvals/a", {"decision": "edit"}, "arguments", "invalid_request"),
    ("POST", "/t/approvals/a", {"decision": "approve", "arguments": {}}, "arguments", "invalid_request"),
    ("POST", "/t/approvals/a", {"decision": "approve", "message": "go"}, "message", "invalid_request"),
    ("POST", "/t/approvals/a", {"decision": "reject", "message": LONG}, "message", "string_above_max_length"),
]


async def test_fault_of_a_request_is_a_400_that_names_the_member(threads: ThreadsOf) -> None:
    served = await threads()
    for method, path, body, param, code in FAULTS:
        response = await served.ask(method, f"/threads{path}", body=body)
        error = response.json()["error"]
        assert (response.status_code, error["param"], error["code"]) == (400, param, code), (
            method,
            path,
            body,
        )


async def test_agent_without_stored_conversations_has_no_such_routes(threads: ThreadsOf) -> None:
    served = await threads(CONVERSATIONS_URL="none")
    assert (await served.ask("GET", "/threads")).status_code == 404
    refused = await served.say("hello")
    assert (refused.status_code, refused.json()["error"]["param"]) == (400, "metadata.thread_id")
