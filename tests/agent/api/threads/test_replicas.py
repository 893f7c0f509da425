"""Two agents behind one address share a database and a Redis: any of them shows and ends the other's runs."""

import asyncio
import base64
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest
from redis import Redis

from agent.errors.error_codes import AgentCode
from agent.runs.relay import Relay
from graph.error_codes import GraphCode
from identity.errors import ServiceError
from tests.agent.api.threads.served_threads import Threads, ThreadsOf
from tests.agent.api.threads.test_run_routes import (
    TALE,
    followed,
    live_runs,
    message_id_of,
    run_that_waits,
    text_of,
)
from tests.databases.redis_process import RedisProcess
from tests.graph.scripted_model import DONE
from tests.leave_application import APPLIES, FIRST_DAY

KEY = base64.urlsafe_b64encode(bytes(range(32))).decode()


Two = Callable[..., Awaitable[tuple[Threads, Threads]]]


@pytest.fixture
def two(threads: ThreadsOf, redis: RedisProcess) -> Two:
    """Makes replica A, whose model has `turns`, and replica B."""

    async def make(turns: Any, **more: Any) -> tuple[Threads, Threads]:
        shared = {"REDIS_URL": redis.url}
        return await threads(turns, **shared, **more), await threads(**shared)

    return make


async def whole(served: Threads, **headers: str) -> tuple[list[str], list[dict[str, Any]]]:
    async with followed(served, **headers) as reader:
        events = await reader.rest()
        return reader.ids, events


async def test_stream_is_continued_at_another_replica_where_it_was_cut(two: Two) -> None:
    a, b = await two([TALE], waits=True)
    async with run_that_waits(a):
        async with followed(a) as cut:
            first = [await cut.next(), await cut.until("TEXT_MESSAGE_CONTENT")]
            last = cut.ids[-1]
        async with followed(b, **{"Last-Event-ID": last}) as reader:
            a.model.go_on.set()
            rest = await reader.rest()
            ids = reader.ids
    assert first[-1]["delta"] == "Once "  # type: ignore[index]  # of this type of event
    assert text_of(rest) == "upon a time "
    assert rest[-1]["type"] == "RUN_FINISHED"
    at_a, at_b = await whole(a), await whole(b)
    assert at_a == at_b
    assert at_b[0][-len(ids) :] == ids


async def test_stream_is_continued_also_before_its_events_are_in_redis(two: Two) -> None:
    a, b = await two([TALE], waits=True)
    relay_of(a).writer.sleep = hangs  # its events are written when this test says it

    async def are_written(_: float) -> None:
        await relay_of(a).writer.write()

    async with run_that_waits(a), followed(a) as at_a:
        await at_a.until("TEXT_MESSAGE_CONTENT")
        relay_of(b).runs.sleep = are_written
        async with followed(b, **{"Last-Event-ID": at_a.ids[-1]}) as reader:
            a.model.one_more()
            assert (await reader.next())["delta"] == "upon "  # type: ignore[index]  # of this type of event
        relay_of(b).runs.sleep = asyncio.sleep
        await at_a.until("TEXT_MESSAGE_CONTENT")
        a.model.one_more()
        await at_a.until("TEXT_MESSAGE_CONTENT")
        async with followed(b, **{"Last-Event-ID": at_a.ids[-1]}) as reader:
            a.model.one_more()
            await at_a.until("TEXT_MESSAGE_CONTENT")
            await relay_of(a).writer.write()
            assert (await reader.next())["delta"] == "time "  # type: ignore[index]  # of this type of event
        a.model.go_on.set()
        last, rest_at_a = at_a.ids[-1], await at_a.rest()
    async with followed(b, **{"Last-Event-ID": last}) as reader:
        await written(a)
        assert await reader.rest() == rest_at_a

    await a.say("Another tale", stream=True)
    relay_of(b).runs.sleep = are_written
    ids, _ = await whole(b, **{"Last-Event-ID": reader.ids[-1]})
    assert ids == (await whole(a))[0]


async def test_end_that_a_client_has_not_received_is_sent_once_at_every_replica(two: Two) -> None:
    a, b = await two([TALE], waits=True)
    async with run_that_waits(a):
        async with followed(a) as cut:
            await cut.until("TEXT_MESSAGE_CONTENT")
        assert (await a.ask("POST", "/threads/thread-1/cancel")).json() == {"cancelled": True}
    await written(a)
    ends = [await whole(served, **{"Last-Event-ID": cut.ids[-1]}) for served in (a, b)]
    assert ends[0] == ends[1]
    [[last], [*_, end]] = ends[0]
    assert end["code"] == AgentCode.RUN_CANCELLED
    for served in (a, b):
        async with followed(served, **{"Last-Event-ID": last}) as nothing:
            assert nothing.response.status_code == 204


async def test_failure_arrives_at_another_replica_with_its_code(two: Two) -> None:
    a, b = await two([ServiceError(GraphCode.MODEL_CALL_FAILED, "test")])
    await a.say("hello")
    _, events = await whole(b)
    assert (events[-1]["type"], events[-1]["code"]) == ("RUN_ERROR", GraphCode.MODEL_CALL_FAILED)


@pytest.mark.promise("threads-are-private")
async def test_pause_arrives_at_another_replica_whose_answer_continues_the_run(
    two: Two, redis: RedisProcess
) -> None:
    a, b = await two([APPLIES], ACCESS_IDENTITY="Human")
    await a.say("Apply for leave")
    _, events = await whole(b)
    at_a = await whole(a)
    [interrupt] = events[-1]["outcome"]["interrupts"]
    assert [event["type"] for event in events] == [event["type"] for event in at_a[1]]
    stored = redis.contents()
    assert FIRST_DAY not in stored  # what waits is read from the store of conversations
    body = {"decision": "approve"}
    answered = await b.ask("POST", f"/threads/thread-1/approvals/{interrupt['id']}", body=body)
    assert answered.status_code == 202
    async with followed(a) as reader:
        assert (await reader.rest())[-1]["type"] == "RUN_FINISHED"


async def test_latest_run_is_shown_at_a_replica_that_has_executed_an_earlier_one(two: Two) -> None:
    a, b = await two([DONE])
    await a.say("hello", stream=True)
    await written(a)
    b.model.turns[:] = [TALE]
    await b.say("A tale", stream=True)
    await written(b)
    assert text_of((await whole(a))[1]) == "Once upon a time "
    assert (await whole(a)) == (await whole(b))


async def test_replica_that_is_stopped_reports_it_to_readers_at_another_one(two: Two) -> None:
    a, b = await two([TALE], waits=True)
    async with run_that_waits(a), followed(b) as reader:
        await reader.until("TEXT_MESSAGE_CONTENT")
        a.agent.shutdown.end()
        assert (await reader.rest())[-1]["code"] == AgentCode.SHUTTING_DOWN
    assert (await b.ask("GET", "/threads/thread-1")).json()["status"] == "interrupted"


@pytest.mark.promise("heals-by-itself")
async def test_without_redis_a_run_of_another_replica_is_followed_by_what_it_stores_and_cancelled(
    two: Two, redis: RedisProcess
) -> None:
    a, b = await two([TALE], waits=True)
    assert b.agent.redis is not None
    b.agent.redis._away_until = float("inf")
    async with run_that_waits(a), followed(b) as reader:
        await reader.until("RUN_STARTED")
        assert (await b.ask("POST", "/threads/thread-1/cancel")).json() == {"cancelled": True}
        assert (await reader.rest())[-1]["code"] == AgentCode.RUN_CANCELLED


@pytest.mark.promise("heals-by-itself")
@pytest.mark.parametrize("begins_anew", [False, True])
async def test_reader_cut_off_before_the_end_receives_the_answer_at_another_replica_without_redis(
    two: Two, begins_anew: bool
) -> None:
    a, b = await two([TALE], waits=True)
    async with run_that_waits(a):
        async with followed(a) as cut:
            await cut.until("TEXT_MESSAGE_CONTENT")
        a.model.go_on.set()
        async with followed(a) as reader:
            shown = await reader.rest()
    assert b.agent.redis is not None
    b.agent.redis._away_until = float("inf")
    ids, events = await whole(b, **({} if begins_anew else {"Last-Event-ID": cut.ids[-1]}))
    assert (text_of(events), events[-1]["type"]) == ("Once upon a time ", "RUN_FINISHED")
    assert message_id_of(events) == message_id_of(shown)
    async with followed(b, **{"Last-Event-ID": ids[-1]}) as nothing:
        assert nothing.response.status_code == 204


@pytest.mark.promise("heals-by-itself")
@pytest.mark.parametrize("begins_anew", [False, True])
async def test_reader_that_comes_after_redis_lost_a_run_receives_each_text_once_under_its_id(
    two: Two, redis: RedisProcess, begins_anew: bool
) -> None:
    a, b = await two([TALE], waits=True)
    async with run_that_waits(a), followed(a) as at_a:
        await at_a.until("TEXT_MESSAGE_CONTENT")
        await written(a, ended=False)
        redis.empty()
        for stream in relay_of(a).writer._streams.values():
            stream.not_written()  # as it is after a restart of Redis
        a.model.one_more()
        await at_a.until("TEXT_MESSAGE_CONTENT")
        await relay_of(a).writer.write()
        last = {} if begins_anew else {"Last-Event-ID": at_a.ids[-1]}
        async with followed(b, **last) as reader:
            assert (await reader.next() or {})["type"] == "RUN_STARTED"
            a.model.go_on.set()
            rest = await reader.rest()
        shown = await at_a.rest()
    assert shown[-1]["type"] == rest[-1]["type"] == "RUN_FINISHED"
    assert text_of(rest) == "Once upon a time "
    stored = (await b.ask("GET", "/threads/thread-1")).json()["messages"]
    assert message_id_of(rest) == stored[-1]["id"]


async def test_run_is_cancelled_by_another_replica_at_once(two: Two) -> None:
    a, b = await two([TALE], waits=True)
    async with run_that_waits(a), followed(a) as reader:
        await reader.until("TEXT_MESSAGE_CONTENT")
        assert (await b.ask("POST", "/threads/thread-1/cancel")).json() == {"cancelled": True}
        assert (await reader.rest())[-1]["code"] == AgentCode.RUN_CANCELLED
    read = (await b.ask("GET", "/threads/thread-1")).json()
    assert read["status"] == "idle"
    assert [message["content"] for message in read["messages"]] == ["A tale", "Once"]  # stored by its replica


@pytest.mark.promise("threads-are-private")
@pytest.mark.parametrize("path", ["/threads/thread-1", "/threads"])
async def test_deleting_at_another_replica_ends_the_run_and_removes_its_events(
    two: Two, redis: RedisProcess, path: str
) -> None:
    a, b = await two([TALE], waits=True)
    await b.say("hello", stream=True)
    await written(b)
    async with run_that_waits(a), followed(a) as reader:
        await reader.next()
        await written(a, ended=False)
        assert ":events:" in redis.contents()
        assert (await b.ask("DELETE", path)).is_success
        assert (await reader.rest())[-1]["code"] == AgentCode.RUN_CANCELLED
    assert ":events:" not in redis.contents()
    await written(a)
    assert ":events:" not in redis.contents()


@pytest.mark.promise("threads-are-private")
@pytest.mark.parametrize("path", ["/threads/thread-1", "/threads"])
async def test_replica_that_wakes_after_its_conversation_was_deleted_writes_no_events(
    two: Two, redis: RedisProcess, path: str
) -> None:
    a, b = await two([TALE], waits=True)
    relay_of(a).writer.sleep = hangs
    async with run_that_waits(a):
        assert (await b.ask("DELETE", path)).is_success
    await written(a)
    assert ":events:" not in redis.contents()
    a.model.waits = False
    assert (await b.ask("POST", "/threads/thread-1/restore")).is_success
    await a.say("Once more", stream=True)
    await written(a)
    assert text_of((await whole(b))[1]) == "Once upon a time "


async def hangs(_: float) -> None:
    """A process that is stopped, as far as its events are concerned."""
    await asyncio.Event().wait()


async def written(served: Threads, *, ended: bool = True) -> None:
    """Waits until the events of all runs are in Redis, with their ends if they have `ended`."""
    writer = relay_of(served).writer
    while writer._streams if ended else not all(each._position for each in writer._streams.values()):
        await asyncio.gather(writer.write(), asyncio.sleep(0))


def relay_of(served: Threads) -> Relay:
    conversations = served.agent.kept.conversations
    assert conversations.relay is not None
    return conversations.relay


@pytest.mark.promise("threads-are-private")
async def test_run_of_another_replica_is_absent_for_another_user(two: Two) -> None:
    a, b = await two([TALE], waits=True)
    async with run_that_waits(a):
        for method, path in (("GET", "/threads/thread-1/events"), ("POST", "/threads/thread-1/cancel")):
            refused = await b.ask(method, path, "bob")
            assert (refused.status_code, refused.json()["error"]["code"]) == (404, "thread_not_found")
        await b.say("hello", "thread-1", "bob", stream=True)
        async with followed(b, "bob") as reader:
            assert text_of(await reader.rest()).strip() == "done"
        assert (await b.ask("GET", "/threads/thread-1")).json()["status"] == "running"


@pytest.mark.promise("no-secret-leaves")
async def test_events_are_encrypted_under_the_key_and_end_ten_minutes_after_the_run(
    two: Two, threads: ThreadsOf, redis: RedisProcess, tmp_path: Path
) -> None:
    file = tmp_path / "conversations.key"
    file.write_text(KEY)
    a, b = await two([TALE], CONVERSATIONS_KEY_FILE=str(file))
    await a.say("A tale", stream=True)
    b = await threads(REDIS_URL=redis.url, CONVERSATIONS_KEY_FILE=str(file))
    _, events = await whole(b)
    assert text_of(events) == "Once upon a time "
    found = redis.contents()
    assert "upon" not in found
    with Redis(port=redis.port) as client:
        kept = {key: client.ttl(key) for key in client.keys("*:events:*") + client.keys("*:latest:*")}
    assert len(kept) == 2
    assert all(0 < seconds <= 600 for seconds in kept.values())


@pytest.mark.promise("bounded")
async def test_users_runs_are_limited_over_all_replicas(threads: ThreadsOf, redis: RedisProcess) -> None:
    a = await threads([TALE], waits=True, REDIS_URL=redis.url, MAX_CONCURRENT_RUNS="1")
    b = await threads(REDIS_URL=redis.url, MAX_CONCURRENT_RUNS="1")
    chat = {"messages": [{"role": "user", "content": "hello"}]}
    async with run_that_waits(a):
        for path, body in (
            ("/openai/v1/chat/completions", chat),
            ("/openai/v1/chat/completions", chat | {"stream": True}),
            ("/openai/v1/chat/completions", chat | {"metadata": {"thread_id": "thread-2"}}),
            ("/agent/invoke", {"input": chat}),
            ("/agent/stream", {"input": chat}),
        ):
            refused = await b.ask("POST", path, body=body)
            assert (refused.status_code, refused.json()["error"]["code"]) == (429, "too_many_runs"), path
            assert int(refused.headers["Retry-After"]) >= 1
        assert (await b.say("hello", "thread-2", "bob")).status_code == 200
        a.model.go_on.set()
        async with followed(a) as reader:
            await reader.rest()
    await asyncio.wait([run.task for run in live_runs(a)])
    with Redis(port=redis.port) as client:
        while client.keys("*:runs:*"):
            await b.ask("GET", "/health")  # both give places back meanwhile
    assert (await b.say("hello", "thread-2")).status_code == 200
