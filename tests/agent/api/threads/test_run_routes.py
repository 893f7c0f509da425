"""The run of a conversation is followed, cancelled and continued by requests that did not start it."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import httpx
import pytest
from langchain_core.messages import AIMessage

from agent.conversations.database.database import query
from agent.operations.revocation.enforcer import revoked_error
from agent.runs.live_run import LiveRun
from agent.runs.run import MAX_EVENTS
from agent.runs.run_limits import RunLimit
from graph.error_codes import GraphCode
from identity.errors import ServiceError
from tests.agent.api.threads.served_threads import CHAT, Threads, ThreadsOf
from tests.graph.scripted_model import DONE

TALE = AIMessage("Once upon a time")


class Events:
    """Server-sent events as they arrive."""

    def __init__(self, response: httpx.Response) -> None:
        self.response = response
        self.ids: list[str] = []
        self._lines = response.aiter_lines()

    async def next(self) -> dict[str, Any] | None:
        async for line in self._lines:
            if line.startswith("id:"):
                self.ids.append(line[3:].strip())
            if line.startswith("data: "):
                event: dict[str, Any] = json.loads(line[6:])
                return event
        return None

    async def until(self, kind: str) -> dict[str, Any]:
        while (event := await self.next()) is not None:
            if event["type"] == kind:
                return event
        raise AssertionError(kind)

    async def rest(self) -> list[dict[str, Any]]:
        events = []
        while (event := await self.next()) is not None:
            events.append(event)
        return events


@asynccontextmanager
async def followed(
    served: Threads, user: str = "alice", thread: str = "thread-1", **headers: str
) -> AsyncIterator[Events]:
    async with served.stream("GET", f"/threads/{thread}/events", user, **headers) as response:
        yield Events(response)


@asynccontextmanager
async def run_that_waits(served: Threads, keep: bool = False) -> AsyncIterator[httpx.Response]:
    """A run that has sent its first piece to the client that started it, and waits for the model."""
    body = {
        "messages": [{"role": "user", "content": "A tale"}],
        "stream": True,
        "metadata": {"thread_id": "thread-1", "on_disconnect": "continue" if keep else "cancel"},
    }
    async with served.stream("POST", CHAT, "alice", body) as response:
        await served.model.waiting.wait()
        yield response


def live_runs(served: Threads) -> list[LiveRun]:
    conversations = served.agent.kept.conversations
    return list(conversations.live._latest.values())


def text_of(events: list[dict[str, Any]]) -> str:
    return "".join(event["delta"] for event in events if event["type"] == "TEXT_MESSAGE_CONTENT")


async def test_run_is_followed_from_its_beginning_by_any_number_of_readers(threads: ThreadsOf) -> None:
    served = await threads([TALE], waits=True)
    async with run_that_waits(served), followed(served) as one, followed(served) as other:
        assert one.response.headers["content-type"].startswith("text/event-stream")
        first = await one.next()
        assert first is not None
        assert first["type"] == "RUN_STARTED"
        assert (await one.until("TEXT_MESSAGE_CONTENT"))["delta"] == "Once "
        read = (await served.ask("GET", "/threads/thread-1")).json()
        assert (read["status"], read["run"]) == ("running", {"id": first["runId"]})
        served.model.go_on.set()
        rest, whole = await one.rest(), await other.rest()
        assert text_of(whole) == "Once upon a time "
        assert rest == whole[-len(rest) :]
        assert whole[-1]["type"] == "RUN_FINISHED"
    stored = (await served.ask("GET", "/threads/thread-1")).json()["messages"]
    [start] = [event for event in whole if event["type"] == "TEXT_MESSAGE_START"]
    assert stored[-1]["id"] == start["messageId"]


async def test_reader_that_reconnects_receives_what_follows_its_last_event(threads: ThreadsOf) -> None:
    served = await threads([TALE], waits=True)
    async with run_that_waits(served):
        async with followed(served) as lost:
            await lost.until("TEXT_MESSAGE_CONTENT")
        async with followed(served, **{"Last-Event-ID": lost.ids[-1]}) as again:
            served.model.go_on.set()
            rest = await again.rest()
    assert [event["type"] for event in rest[:3]] == ["TEXT_MESSAGE_CONTENT"] * 3
    assert text_of(rest) == "upon a time "
    assert rest[-1]["type"] == "RUN_FINISHED"
    async with followed(served, **{"Last-Event-ID": again.ids[-1]}) as nothing:
        assert nothing.response.status_code == 204


async def test_end_can_be_read_for_a_moment_and_then_there_is_nothing_to_follow(threads: ThreadsOf) -> None:
    served = await threads()
    await served.say("hello")
    async with followed(served) as late:
        assert (await late.rest())[-1]["type"] == "RUN_FINISHED"
    forget_ended(served)
    await ended_a_minute_ago(served)
    async with followed(served) as nothing:
        assert nothing.response.status_code == 204


async def test_client_that_had_a_part_of_a_run_receives_it_as_it_is_stored_however_late_it_returns(
    threads: ThreadsOf,
) -> None:
    served = await threads([TALE], waits=True)
    async with run_that_waits(served, keep=True):
        async with followed(served) as cut:
            await cut.until("TEXT_MESSAGE_CONTENT")
        served.model.go_on.set()
        async with followed(served) as reader:
            shown = await reader.rest()
    forget_ended(served)
    await ended_a_minute_ago(served)
    async with followed(served, **{"Last-Event-ID": cut.ids[-1]}) as late:
        events = await late.rest()
    assert text_of(events) == "Once upon a time "
    assert message_id_of(events) == message_id_of(shown)
    assert events[-1]["type"] == "RUN_FINISHED"
    *earlier, last = late.ids
    for event_id in earlier:
        async with followed(served, **{"Last-Event-ID": event_id}) as again:
            rest = await again.rest()
        assert (again.response.status_code, rest[-1]["type"]) == (200, "RUN_FINISHED")
        assert text_of(rest) in ("", "Once upon a time ")
    async with followed(served, **{"Last-Event-ID": last}) as nothing:
        assert nothing.response.status_code == 204


async def test_run_whose_beginning_is_not_kept_is_followed_as_it_is_stored(threads: ThreadsOf) -> None:
    served = await threads([TALE], waits=True)
    async with run_that_waits(served, keep=True):
        [run] = live_runs(served)
        run.replay._most_events = 2
        served.model.one_more()
        while run.replay.oldest == 1:
            await run.changed()
        run.replay._most_events = MAX_EVENTS
        async with followed(served) as reader:
            await reader.until("RUN_STARTED")
            served.model.go_on.set()
            events = await reader.rest()
    assert (text_of(events), events[-1]["type"]) == ("Once upon a time ", "RUN_FINISHED")
    [stored] = [each for each in await messages_of(served) if each["role"] == "assistant"]
    assert message_id_of(events) == stored["id"]


async def messages_of(served: Threads) -> list[dict[str, Any]]:
    read: list[dict[str, Any]] = (await served.ask("GET", "/threads/thread-1")).json()["messages"]
    return read


def message_id_of(events: list[dict[str, Any]]) -> str:
    [start] = [event for event in events if event["type"] == "TEXT_MESSAGE_START"]
    return str(start["messageId"])


def forget_ended(served: Threads) -> None:
    live = served.agent.kept.conversations.live
    for run in list(live._ended):
        live._remove(run)


async def ended_a_minute_ago(served: Threads) -> None:
    storage = served.agent.kept.storage
    await storage.database.write(lambda: query("UPDATE runs SET changed_at = changed_at - 61"))


async def test_id_of_another_run_is_followed_from_the_beginning(threads: ThreadsOf) -> None:
    served = await threads()
    await served.say("hello")
    for last in ("0a1b2c3d-2", "nonsense", "-", "7" * 5000):
        async with followed(served, **{"Last-Event-ID": last}) as reader:
            assert (await reader.rest())[0]["type"] == "RUN_STARTED"


async def test_reader_that_leaves_ends_nothing(threads: ThreadsOf) -> None:
    served = await threads([TALE], waits=True)
    async with run_that_waits(served) as response:
        async with followed(served) as reader:
            await reader.next()
        served.model.go_on.set()
        assert (await response.aread()).endswith(b"data: [DONE]\n\n")
    assert not served.agent.runs.readers.counted


async def test_client_that_leaves_ends_its_run_unless_it_asks_to_keep_it(threads: ThreadsOf) -> None:
    served = await threads([TALE], waits=True)
    for keep, roles in ((False, ["user", "assistant"]), (True, ["user", "assistant"] * 2)):
        served.model.waiting.clear()
        served.model.go_on.clear()
        async with run_that_waits(served, keep):
            [run] = [run for run in live_runs(served) if run.outcome is None]
        if keep:
            async with followed(served) as reader:
                await reader.next()
                served.model.go_on.set()
                await reader.rest()
        await asyncio.wait([run.task])
        messages = (await served.ask("GET", "/threads/thread-1")).json()["messages"]
        assert [message["role"] for message in messages] == roles
    assert [message["content"] for message in messages] == ["A tale", "Once", "A tale", "Once upon a time "]


async def test_cancelled_run_ends_for_every_reader_and_the_thread_is_free(threads: ThreadsOf) -> None:
    served = await threads([TALE], waits=True)
    async with run_that_waits(served) as response, followed(served) as reader:
        await reader.until("TEXT_MESSAGE_CONTENT")
        assert (await served.ask("POST", "/threads/thread-1/cancel")).json() == {"cancelled": True}
        assert (await reader.rest())[-1]["code"] == "run_cancelled"
        last = (await response.aread()).strip().splitlines()[-1]
    assert json.loads(last.removeprefix(b"data: "))["error"]["code"] == "run_cancelled"
    assert (await served.ask("POST", "/threads/thread-1/cancel")).json() == {"cancelled": False}
    served.model.go_on.set()
    assert (await served.say("go on")).status_code == 200


async def test_failed_run_is_continued_on_request(threads: ThreadsOf) -> None:
    served = await threads([ServiceError(GraphCode.MODEL_CALL_FAILED, "test"), DONE])
    failed = await served.say("hello")
    assert failed.json()["error"]["code"] == "model_call_failed"
    async with followed(served) as reader:
        assert (await reader.rest())[-1]["code"] == "model_call_failed"
    async with followed(served, **{"Last-Event-ID": reader.ids[-1]}) as nothing:
        assert nothing.response.status_code == 204
    assert (await served.ask("GET", "/threads/thread-1")).json()["status"] == "failed"
    started = await served.ask("POST", "/threads/thread-1/continue")
    assert started.status_code == 202
    async with followed(served) as reader:
        events = await reader.rest()
    assert events[0]["runId"] == started.json()["run"]
    assert [message.text for message in served.model.asked[-1][1:]] == ["hello"]
    messages = (await served.ask("GET", "/threads/thread-1")).json()["messages"]
    assert [message["content"].strip() for message in messages] == ["hello", "done"]
    refused = await served.ask("POST", "/threads/thread-1/continue")
    assert (refused.status_code, refused.json()["error"]["code"]) == (409, "nothing_to_continue")


async def test_thread_with_a_run_is_busy(threads: ThreadsOf) -> None:
    served = await threads([TALE], waits=True)
    async with run_that_waits(served):
        for busy in (await served.say("me too"), await served.ask("POST", "/threads/thread-1/continue")):
            assert (busy.status_code, busy.json()["error"]["code"]) == (409, "thread_busy")


@pytest.mark.promise("bounded")
async def test_caller_with_as_many_runs_as_allowed_can_still_manage_threads(threads: ThreadsOf) -> None:
    served = await threads([TALE], waits=True, MAX_CONCURRENT_RUNS="1")
    async with run_that_waits(served):
        for path in ("/threads/thread-2/continue", f"/threads/thread-2/approvals/{'a' * 32}"):
            refused = await served.ask("POST", path, body={"decision": "approve"})
            assert (refused.status_code, refused.json()["error"]["code"]) == (429, "too_many_runs"), path
        assert (await served.ask("POST", "/threads")).status_code == 201
        assert (await served.ask("POST", "/threads/thread-1/cancel")).json() == {"cancelled": True}
    served.model.go_on.set()
    assert (await served.say("go on")).status_code == 200


async def test_deleting_a_thread_ends_its_run_and_its_readers(threads: ThreadsOf) -> None:
    served = await threads([TALE], waits=True)
    async with run_that_waits(served), followed(served) as reader:
        await reader.next()
        assert (await served.ask("DELETE", "/threads/thread-1")).status_code == 204
        assert (await reader.rest())[-1]["code"] == "run_cancelled"
    assert (await served.ask("GET", "/threads/thread-1/events")).status_code == 404


async def test_run_of_another_process_is_followed_by_what_it_stores(threads: ThreadsOf) -> None:
    served, other = await threads([TALE], waits=True), await threads()
    async with run_that_waits(served), followed(other) as reader:
        await reader.until("RUN_STARTED")
        served.model.go_on.set()
        rest = await reader.rest()
    assert text_of(rest) == "Once upon a time "
    assert rest[-1]["type"] == "RUN_FINISHED"


@pytest.mark.promise("revoked-refused")
async def test_revocation_ends_the_run_and_readers_with_a_token_of_their_own(threads: ThreadsOf) -> None:
    served = await threads([TALE], waits=True)
    device = served.headers()
    served.tokens["alice"] = served.sandbox.access_token("alice", jti="another")
    async with run_that_waits(served), followed(served, **device) as reader:
        await reader.until("TEXT_MESSAGE_CONTENT")
        fingerprints: list[str] = []

        def is_devices(caller: Any) -> bool:
            fingerprints.append(caller.fingerprint)
            return f"Bearer {caller.token.reveal()}" == device["Authorization"]

        assert served.agent.runs.end_of(is_devices, revoked_error) == 0
        assert (await reader.rest())[-1]["code"] == "access_revoked"
        assert len(set(fingerprints)) == 2
        async with followed(served) as own:
            await own.until("TEXT_MESSAGE_CONTENT")
            assert served.agent.runs.end_of(lambda _: True, revoked_error) == 1
            assert (await own.rest())[-1]["code"] == "access_revoked"
            await asyncio.wait([run.task for run in live_runs(served)])
    assert (await served.ask("GET", "/threads/thread-1")).json()["status"] == "failed"


async def test_one_caller_has_a_limited_number_of_readers(threads: ThreadsOf) -> None:
    served = await threads([TALE], waits=True)
    served.agent.runs.readers = RunLimit(per_caller=1)
    async with run_that_waits(served), followed(served) as reader:
        await reader.next()
        refused = await served.ask("GET", "/threads/thread-1/events")
        assert (refused.status_code, refused.json()["error"]["code"]) == (429, "too_many_runs")
