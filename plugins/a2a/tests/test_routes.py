"""`POST /a2a` and the card over HTTP: JSON-RPC's errors, and those that have a status."""

import asyncio
import json
from typing import Any

import httpx
import pytest
from langchain_core.messages import AIMessage

from plugins.a2a.routes import AGENT_CARD_PATH
from tests.agent.api.threads.served_threads import Threads, ThreadsOf
from tests.graph.scripted_model import DONE
from tests.leave_application import APPLIES

MESSAGE = {"messageId": "m-1", "role": "ROLE_USER", "parts": [{"text": "hello"}]}
VERSION = {"A2A-Version": "1.0"}


async def call(served: Threads, method: str, params: Any = None, **headers: str) -> httpx.Response:
    body = {"jsonrpc": "2.0", "id": 7, "method": method, "params": params or {}}
    return await served.ask("POST", "/a2a", body=body, **(VERSION | headers))


async def reason(served: Threads, method: str, params: Any = None, **headers: str) -> str:
    """The reason of the error that a request leads to."""
    response = await call(served, method, params, **headers)
    body = response.json()
    assert response.status_code == 200
    assert (body.keys(), body["id"]) == ({"jsonrpc", "id", "error"}, 7)
    [info] = body["error"]["data"]
    assert info["domain"] == "a2a-protocol.org"
    found: str = info["reason"]
    return found


async def test_methods_that_the_agent_does_not_have_are_refused(threads: ThreadsOf) -> None:
    served = await threads()
    assert await reason(served, "GetExtendedAgentCard") == "UNSUPPORTED_OPERATION"
    for name in ("Create{}", "Get{}", "List{}s", "Delete{}"):
        method = name.format("TaskPushNotificationConfig")
        assert await reason(served, method) == "PUSH_NOTIFICATION_NOT_SUPPORTED"
    assert await reason(served, "Nonsense") == "METHOD_NOT_FOUND"
    assert await reason(served, "SendMessage", **{"A2A-Version": "0.2"}) == "VERSION_NOT_SUPPORTED"
    assert await reason(served, "SendMessage", **{"A2A-Version": "0.3"}) == "VERSION_NOT_SUPPORTED"


async def test_version_0_3_has_no_list_of_tasks(threads: ThreadsOf) -> None:
    served = await threads()
    older = {"A2A-Version": "0.3"}
    assert await reason(served, "tasks/list", **older) == "METHOD_NOT_FOUND"
    assert await reason(served, "ListTasks", **older) == "VERSION_NOT_SUPPORTED"


async def test_list_without_tasks_has_all_its_members(threads: ThreadsOf) -> None:
    page = (await call(await threads(), "ListTasks")).json()["result"]
    assert page == {"tasks": [], "nextPageToken": "", "pageSize": 50, "totalSize": 0}


async def test_body_that_is_no_request_is_refused_without_an_id(threads: ThreadsOf) -> None:
    served = await threads()
    headers = served.headers() | VERSION
    response = await served.http.post(f"{served.origin}/a2a", content=b"{", headers=headers)
    assert (response.status_code, response.json()["id"]) == (200, None)
    assert response.json()["error"]["code"] == -32700


async def test_body_of_another_media_type_is_refused_before_it_is_read(threads: ThreadsOf) -> None:
    served = await threads()
    request = {"jsonrpc": "2.0", "id": 7, "method": "ListTasks", "params": {}}

    async def code(content: str, **media_type: str) -> int | None:
        headers = served.headers() | VERSION | media_type
        response = await served.http.post(f"{served.origin}/a2a", content=content, headers=headers)
        return response.json().get("error", {}).get("code")

    text = json.dumps(request)
    assert await code(text, **{"Content-Type": "application/json; charset=utf-8"}) is None
    assert await code(text) is None
    for other in ("text/plain", "application/x-www-form-urlencoded", "application/jsonp"):
        assert await code(text, **{"Content-Type": other}) == -32005
        assert await code("{", **{"Content-Type": other}) == -32005


async def test_id_that_a_stream_would_repeat_at_length_is_refused(threads: ThreadsOf) -> None:
    served = await threads()
    body = {"jsonrpc": "2.0", "id": "x" * 1_025, "method": "ListTasks", "params": {}}
    response = (await served.ask("POST", "/a2a", body=body, **VERSION)).json()
    assert (response["id"], response["error"]["code"]) == (None, -32600)


async def test_caller_with_all_runs_in_progress_may_read_and_cancel_tasks(threads: ThreadsOf) -> None:
    served = await threads([AIMessage("Once upon a time")], waits=True, MAX_CONCURRENT_RUNS="1")
    at_once = {"message": MESSAGE, "configuration": {"returnImmediately": True}}
    task = (await call(served, "SendMessage", at_once)).json()["result"]["task"]
    refused = await call(served, "SendMessage", {"message": MESSAGE})

    assert (refused.status_code, refused.json()["error"]["code"]) == (429, "too_many_runs")
    assert "Retry-After" in refused.headers
    read = (await call(served, "GetTask", {"id": task["id"]})).json()["result"]
    assert read["status"]["state"] == "TASK_STATE_WORKING"
    ended = (await call(served, "CancelTask", {"id": task["id"]})).json()["result"]
    assert ended["status"]["state"] == "TASK_STATE_CANCELED"


async def test_page_may_read_the_card_and_send_the_version(threads: ThreadsOf) -> None:
    served = await threads()
    origin = {"Origin": "http://localhost:9001"}
    card = await served.http.get(served.origin + AGENT_CARD_PATH, headers=origin)
    asked = origin | {
        "Access-Control-Request-Method": "POST",
        "Access-Control-Request-Headers": "a2a-version,authorization,content-type",
    }
    preflight = await served.http.options(f"{served.origin}/a2a", headers=asked)

    assert card.headers["access-control-allow-origin"] == origin["Origin"]
    assert card.json()["supportedInterfaces"][0]["url"] == f"{served.origin}/a2a"
    assert preflight.status_code == 200


async def test_address_of_the_card_is_that_of_the_setting(threads: ThreadsOf) -> None:
    served = await threads(AGENT_PUBLIC_URL="https://agent.example.com/base/")
    card = (await served.http.get(served.origin + AGENT_CARD_PATH)).json()
    assert card["supportedInterfaces"][0]["url"] == "https://agent.example.com/base/a2a"


class TestStateless:
    """An agent that stores no conversations."""

    @pytest.fixture
    async def served(self, threads: ThreadsOf) -> Threads:
        return await threads([APPLIES, DONE], ACCESS_IDENTITY="Human", CONVERSATIONS_URL="none")

    async def test_message_is_answered_and_its_task_is_gone(self, served: Threads) -> None:
        sent = await call(served, "SendMessage", {"message": MESSAGE | {"contextId": "c-1"}})
        task = sent.json()["result"]["task"]

        assert (task["contextId"], task["status"]["state"]) == ("c-1", "TASK_STATE_COMPLETED")
        assert [part["text"].strip() for part in task["artifacts"][0]["parts"]] == ["done"]
        for method in ("GetTask", "CancelTask", "SubscribeToTask"):
            assert await reason(served, method, {"id": task["id"]}) == "UNSUPPORTED_OPERATION"
        assert await reason(served, "ListTasks") == "UNSUPPORTED_OPERATION"

    async def test_call_that_needs_an_approval_is_not_made(self, served: Threads) -> None:
        streamed = await call(served, "SendStreamingMessage", {"message": MESSAGE})
        [result] = [each for each in served.model.asked[-1] if each.type == "tool"]

        assert streamed.headers["content-type"].startswith("text/event-stream")
        assert "TASK_STATE_COMPLETED" in streamed.text
        assert "INPUT_REQUIRED" not in streamed.text
        assert result.status == "error"
        assert served.sandbox.cloud.counters.snapshot().get("function_compute:leave_applied", 0) == 0

    async def test_client_that_leaves_ends_its_task(self, threads: ThreadsOf) -> None:
        served = await threads([AIMessage("Once upon a time")], waits=True, CONVERSATIONS_URL="none")
        body = {"jsonrpc": "2.0", "id": 1, "method": "SendStreamingMessage", "params": {"message": MESSAGE}}
        async with served.stream("POST", "/a2a", body=body, **VERSION):
            await served.model.waiting.wait()
            [run] = served.agent.runs.limit.counted
        await asyncio.wait([run.task])
        assert not served.model.go_on.is_set()

    async def test_what_needs_a_stored_task_is_refused(self, served: Threads) -> None:
        at_once = {"message": MESSAGE, "configuration": {"returnImmediately": True}}
        assert await reason(served, "SendMessage", at_once) == "UNSUPPORTED_OPERATION"
        answer = {"message": MESSAGE | {"taskId": "c-1." + "0" * 32}}
        assert await reason(served, "SendMessage", answer) == "UNSUPPORTED_OPERATION"
        assert served.model.asked == []


async def test_a_client_may_keep_the_card_for_five_minutes_and_asks_by_its_etag(threads: ThreadsOf) -> None:
    served = await threads()
    card = await served.ask("GET", AGENT_CARD_PATH)
    assert card.headers["Cache-Control"] == "private, max-age=300"
    etag = card.headers["ETag"]
    for condition in (etag, f"W/{etag}", f'"other", {etag}', "*"):
        same = await served.ask("GET", AGENT_CARD_PATH, **{"If-None-Match": condition})
        assert (same.status_code, same.content, same.headers["ETag"]) == (304, b"", etag)
        assert same.headers["Cache-Control"] == "private, max-age=300"
    for condition in ('"other"', etag.strip('"'), ""):
        other = await served.ask("GET", AGENT_CARD_PATH, **{"If-None-Match": condition})
        assert (other.status_code, other.content) == (200, card.content)
    refused = await served.ask("PUT", AGENT_CARD_PATH)
    assert refused.headers["Cache-Control"] == "no-store"
