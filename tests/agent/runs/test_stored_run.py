"""A run that another process executes is read from the store: its events are those of whole messages."""

from typing import Any

import pytest
from langchain_core.messages import AIMessage, HumanMessage, ToolMessage

from agent.conversations.database.database import Database, Transaction, query
from agent.conversations.encryption.encryption import Encryption
from agent.conversations.owned_thread import RunKey, stored_owner
from agent.conversations.run_record import RunEnd
from agent.conversations.threads import ThreadStore
from agent.errors.error_codes import AgentCode
from agent.runs.run import Cancelled, Finished, Paused
from agent.runs.stored_run import StoredRun
from graph.error_codes import GraphCode
from identity.errors import LimitError, UnavailableError

CALL = AIMessage("Let me see", id="m1", tool_calls=[{"name": "weather", "args": {"city": "x"}, "id": "c1"}])
ABOUT = {"service": "amap", "access_identity": "Machine", "credential": "amap_api_key"}
RESULT = ToolMessage(
    "sunny",
    tool_call_id="c1",
    name="weather",
    id="m2",
    artifact={**ABOUT, "called": True, "duration_ms": 12, "error": None},
)
SUNNY = AIMessage("It is sunny", id="m3", additional_kwargs={"reasoning_content": "hm"})


THREAD = stored_owner("alice").thread("t")
RUN = RunKey(THREAD, "run")


class Store:
    """One run of one thread; the test decides when a second has passed."""

    def __init__(self, database: Database) -> None:
        self.threads = ThreadStore(database, Encryption())
        self.pauses = 0

    async def followed(self) -> StoredRun:
        await self.threads.begin_run(RUN, "other process", messages=[HumanMessage("?")])
        run = StoredRun(self.threads, THREAD, RUN.run_id, sleep=self.sleep)
        await run.read()
        return run

    async def append(self, *messages: Any) -> None:
        await self.threads.append(RUN, messages)

    async def end(self, status: Any, end: RunEnd, *messages: Any) -> None:
        await self.threads.end_run(RUN, status, messages, end)

    def back(self) -> Transaction[None]:
        """The database goes back to the beginning of the run."""
        yield from query("DELETE FROM messages WHERE seq > 1")
        yield from query("UPDATE threads SET last_seq = 1")

    async def sleep(self, _seconds: float) -> None:
        self.pauses += 1


@pytest.fixture
def store(database: Database) -> Store:
    return Store(database)


async def test_messages_become_the_events_that_a_live_run_has(store: Store) -> None:
    run = await store.followed()
    assert run.replay.newest == 0  # the question is no event
    reader = run.events()
    await store.append(CALL)
    shown = [await anext(reader) for _ in range(2)]
    await store.append(RESULT)
    await store.end("idle", RunEnd("completed"), SUNNY)
    shown += [event async for event in reader]
    about = {"tool": "weather", "call_id": "c1", **ABOUT}
    assert shown == [
        {"type": "response_started", "message_id": "m1"},
        {"type": "content", "text": "Let me see"},
        {"type": "tool_started", **about, "arguments": {"city": "x"}},
        {"type": "tool_finished", **about, "ok": True, "called": True, "duration_ms": 12, "result": "sunny"},
        {"type": "response_started", "message_id": "m3"},
        {"type": "reasoning", "text": "hm"},
        {"type": "content", "text": "It is sunny"},
        Finished(),
    ]
    assert store.pauses == 2


async def test_every_process_gives_the_same_event_the_same_position(store: Store) -> None:
    run = await store.followed()
    await store.append(CALL, RESULT)
    await run.read()
    again = StoredRun(store.threads, THREAD, RUN.run_id)
    await again.read()
    assert again.part == run.part
    assert [again.replay.at(n) for n in range(1, 5)] == [run.replay.at(n) for n in range(1, 5)]


async def test_reader_is_told_when_another_message_has_the_place_of_a_lost_one(store: Store) -> None:
    """As after a failover to a standby that lags: the reader was shown what nobody has any more."""
    run = await store.followed()
    await store.append(CALL)
    await run.read()
    await store.threads._database.write(store.back)
    await store.append(SUNNY)
    with pytest.raises(LimitError) as lost:
        async for _ in run.events():
            pass
    assert lost.value.code is AgentCode.EVENTS_LOST
    assert run.end_position is None  # a client that comes back has not had the end


@pytest.mark.parametrize(
    ("status", "end", "outcome"),
    [
        ("idle", RunEnd("canceled", AgentCode.RUN_CANCELLED.value), Cancelled()),
        ("paused", RunEnd("input_required", None, 2e9), Paused(())),
        ("paused", RunEnd("auth_required", None, 2e9), Paused(())),
    ],
)
async def test_end_is_that_of_the_record(store: Store, status: Any, end: RunEnd, outcome: Any) -> None:
    run = await store.followed()
    await store.end(status, end)
    await run.read()
    assert run.outcome == outcome
    assert run.end_position == 1


@pytest.mark.parametrize(
    ("reason", "code"),
    [
        (GraphCode.MODEL_CALL_FAILED.value, GraphCode.MODEL_CALL_FAILED),
        ("of_a_later_version", AgentCode.RUN_INTERRUPTED),
    ],
)
async def test_failure_has_the_recorded_code(store: Store, reason: str, code: Any) -> None:
    run = await store.followed()
    await store.end("failed", RunEnd("failed", reason))
    with pytest.raises(UnavailableError) as failed:
        await anext(run.events())
    assert failed.value.code is code
