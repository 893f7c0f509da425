"""The runs of all threads of an owner: their states, which are final, and their list, by pages."""

from pathlib import Path
from typing import Any

import pytest
from langchain_core.messages import AIMessage, HumanMessage

from agent.conversations.database.database import Database, query
from agent.conversations.database.sqlite_database import SqliteDatabase
from agent.conversations.owned_thread import RunKey
from agent.conversations.run_record import RunEnd, RunQuery, RunRecord
from agent.conversations.threads import ThreadStore
from tests.agent.conversations.stored_threads import ALICE, BOB, RUN, Clock, asked

ALL = RunQuery(limit=100)


async def listed(threads: ThreadStore, which: RunQuery = ALL, owner: str = ALICE) -> list[str]:
    return [run.run_id for run in (await threads.runs.page(owner, which)).runs]


async def run_of(threads: ThreadStore, run_id: str = "r") -> RunRecord:
    """A run of alice's thread `t`, which `page` and `get` show alike."""
    found = await threads.runs.get(ALICE.thread("t"), run_id)
    assert found is not None
    assert found in (await threads.runs.page(ALICE, ALL)).runs
    return found


async def paused(threads: ThreadStore, clock: Clock, *, seconds: float) -> float:
    """alice's thread `t` waits for an answer; until when."""
    await threads.begin_run(RUN, "p", messages=[HumanMessage("Apply")])
    until = clock.now + seconds
    end = RunEnd("input_required", None, until)
    await threads.end_run(RUN, "paused", [AIMessage("")], end)
    return until


async def test_pages_have_the_runs_of_all_threads_in_the_order_of_their_last_change(threads):
    await threads.begin_run(RunKey(ALICE.thread("slow"), "begun-first"), "p")
    await asked(threads, "t", "one", "two")
    await asked(threads, "u", "three")
    await asked(threads, "of-bob", "four", owner=BOB)
    await threads.begin_run(RunKey(ALICE.thread("v"), "begun-last"), "p")
    await threads.end_run(RunKey(ALICE.thread("slow"), "begun-first"), "idle")
    expected = ["begun-first", "begun-last", "run-u-0", "run-t-1", "run-t-0"]

    found, cursor = [], None
    for _ in range(3):
        page = await threads.runs.page(ALICE, RunQuery(limit=2, before=cursor))
        assert page.total == 5
        found += [run.run_id for run in page.runs]
        cursor = page.cursor
    assert (found, cursor) == (expected, None)
    assert (await threads.runs.page(ALICE, RunQuery(limit=5))).cursor is None


async def test_runs_that_changed_at_the_same_time_are_on_one_page_each(database: Database) -> None:
    threads = ThreadStore(database, clock=lambda: 5.0)
    for number in range(3):
        await asked(threads, f"t{number}", "x")
    first = await threads.runs.page(ALICE, RunQuery(limit=2))
    rest = await threads.runs.page(ALICE, RunQuery(limit=2, before=first.cursor))
    assert [run.run_id for run in (*first.runs, *rest.runs)] == ["run-t2-0", "run-t1-0", "run-t0-0"]


async def test_runs_are_selected_by_thread_state_and_time(threads: ThreadStore, clock: Clock) -> None:
    await asked(threads, "t", "one", "two")
    await asked(threads, "u", "three")
    await threads.begin_run(RunKey(ALICE.thread("u"), "running"), "p")
    last = await threads.runs.get(ALICE.thread("t"), "run-t-1")
    assert await threads.runs.get(ALICE.thread("t")) == last
    assert last is not None
    for which, expected in (
        (RunQuery(limit=9, thread_id="t"), ["run-t-1", "run-t-0"]),
        (RunQuery(limit=9, thread_id="of-bob"), []),
        (RunQuery(limit=9, state="working"), ["running"]),
        (RunQuery(limit=9, state="completed"), ["run-u-0", "run-t-1", "run-t-0"]),
        (RunQuery(limit=9, state="rejected"), []),
        (RunQuery(limit=9, since=last.changed_at), ["running", "run-u-0", "run-t-1"]),
        (RunQuery(limit=9, since=clock.now + 1), []),
        (RunQuery(limit=9, since=last.changed_at, state="completed", thread_id="t"), ["run-t-1"]),
    ):
        assert await listed(threads, which) == expected
        assert (await threads.runs.page(ALICE, which)).total == len(expected)


@pytest.mark.promise("threads-are-private")
async def test_run_of_another_owner_does_not_exist(threads: ThreadStore) -> None:
    await asked(threads, "t", "What is my salary?")
    cursor = (await threads.runs.page(ALICE, RunQuery(limit=1))).cursor
    assert (
        await threads.runs.get(BOB.thread("t"), "run-t-0") is await threads.runs.get(BOB.thread("t")) is None
    )
    for which in (ALL, RunQuery(limit=1, before=cursor), RunQuery(limit=1, thread_id="t")):
        page = await threads.runs.page(BOB, which)
        assert (page.runs, page.cursor, page.total) == ([], None, 0)


async def test_runs_of_a_deleted_thread_are_absent_until_it_is_restored(threads: ThreadStore) -> None:
    await asked(threads, "t", "one")
    await threads.delete(ALICE.thread("t"))
    assert await listed(threads) == []
    assert await threads.runs.get(ALICE.thread("t"), "run-t-0") is None
    await threads.restore(ALICE.thread("t"))
    assert await listed(threads) == ["run-t-0"]


@pytest.mark.parametrize("cursor", ["", "x", "AAAA", "bmFuL3I", "aW5mL3I", "MS4wL2EvYg", "ä", "1/a"])
async def test_cursor_that_is_none_is_a_value_error(threads: ThreadStore, cursor: str) -> None:
    with pytest.raises(ValueError):  # noqa: PT011 - of several causes
        await threads.runs.page(ALICE, RunQuery(limit=5, before=cursor))


@pytest.mark.parametrize(
    ("status", "end", "state"),
    [
        ("idle", RunEnd("completed"), "completed"),
        ("idle", RunEnd("canceled", "run_cancelled"), "canceled"),
        ("failed", RunEnd("failed", "model_call_failed"), "failed"),
        ("interrupted", RunEnd("failed", "shutting_down"), "failed"),
    ],
)
async def test_state_of_a_run_that_has_ended_is_never_changed(threads, status, end, state):
    await threads.begin_run(RUN, "p", messages=[HumanMessage("Hello")])
    await threads.end_run(RUN, status, [], end)
    ended = await run_of(threads)
    assert (ended.state, ended.reason) == (state, end.reason)

    await threads.begin_run(RUN, "p", messages=[AIMessage("late")])  # the same run again
    assert await run_of(threads) == ended
    await threads.processes.interrupted_of("p", None)
    await threads.begin_run(RunKey(ALICE.thread("t"), "next"), "p")
    await threads.end_run(RunKey(ALICE.thread("t"), "next"), "failed")
    assert await run_of(threads) == ended


async def test_run_that_waits_goes_on_and_completes(threads: ThreadStore, clock: Clock) -> None:
    until = await paused(threads, clock, seconds=600)
    waiting = await run_of(threads)
    assert (waiting.state, waiting.expires_at) == ("input_required", until)
    await threads.begin_run(RUN, "another")
    working = await run_of(threads)
    assert (working.state, working.expires_at) == ("working", None)
    await threads.end_run(RUN, "idle", [AIMessage("Done")])
    done = await run_of(threads)
    assert (done.state, done.first_seq, done.asked, done.last_seq) == ("completed", 1, 1, 3)


async def test_run_whose_approval_has_expired_is_cancelled_since_then(threads, clock):
    until = await paused(threads, clock, seconds=600)
    await asked(threads, "later", "one")
    clock.now += 601
    expired = await run_of(threads)
    assert (expired.state, expired.reason) == ("canceled", "approval_expired")
    assert (expired.changed_at, expired.expires_at) == (until, None)
    assert await listed(threads) == ["r", "run-later-0"]
    assert await listed(threads, RunQuery(limit=9, state="canceled")) == ["r"]
    assert await listed(threads, RunQuery(limit=9, state="input_required")) == []

    cancelled = RunEnd("canceled", "run_cancelled")
    assert await threads.end_run(RUN, "idle", [AIMessage("not run")], cancelled)
    assert await run_of(threads) == expired


async def test_run_whose_process_has_stopped_has_failed(threads: ThreadStore) -> None:
    await threads.begin_run(RUN, "p", messages=[HumanMessage("Hello")])
    await threads.append(RUN, [AIMessage("I look")])
    await threads.processes.interrupted_of("p", None)
    stopped = await run_of(threads)
    assert (stopped.state, stopped.reason, stopped.last_seq) == ("failed", "run_interrupted", 2)
    assert await listed(threads, RunQuery(limit=9, state="failed")) == ["r"]


async def test_messages_are_those_of_each_run_or_those_it_began_with(threads: ThreadStore) -> None:
    await asked(threads, "t", "one", "two")
    await asked(threads, "u", "three")
    await threads.begin_run(
        RunKey(ALICE.thread("u"), "r"), "p", messages=[HumanMessage("four"), HumanMessage("five")]
    )
    await threads.append(RunKey(ALICE.thread("u"), "r"), [AIMessage("six")])
    runs = (await threads.runs.page(ALICE, ALL)).runs

    async def texts(**options) -> list[list[str]]:
        found = await threads.runs.messages(ALICE, runs, **options)
        return [[each.message.text for each in messages] for messages in found]

    ended = [[text, f"Answer to {text}"] for text in ("three", "two", "one")]
    assert await texts(limit=9) == [["four", "five", "six"], *ended]
    assert await texts(limit=9, asked=True) == [["four", "five"], ["three"], ["two"], ["one"]]
    assert await texts(limit=1) == [["six"], *[text[1:] for text in ended]]
    assert await threads.runs.messages(ALICE, [], limit=9) == []


async def test_page_ends_before_it_has_too_many_messages(threads: ThreadStore) -> None:
    await asked(threads, "t", *"abcde")
    page = await threads.runs.page(ALICE, RunQuery(limit=4, messages=5))
    assert [run.run_id for run in page.runs] == ["run-t-4", "run-t-3"]
    one = await threads.runs.page(ALICE, RunQuery(limit=4, messages=1, before=page.cursor))
    assert [run.run_id for run in one.runs] == ["run-t-2"]
    rest = await threads.runs.page(ALICE, RunQuery(limit=4, messages=5, before=one.cursor))
    assert ([run.run_id for run in rest.runs], rest.cursor) == (["run-t-1", "run-t-0"], None)


class Explained(SqliteDatabase):
    """Explains the last statement of a transaction in place of it."""

    async def write(self, work: Any, **_: Any) -> Any:
        statement = next(work())[-1]
        rows = await self.read(lambda: query(f"EXPLAIN QUERY PLAN {statement.sql}", *statement.values))
        raise LookupError([row[3].split(" (")[0] for row in rows])


@pytest.mark.parametrize("cursor", [None, "MTAuMC9y"])
async def test_page_reads_its_runs_alone_in_the_order_of_an_index(tmp_path: Path, cursor: str | None) -> None:
    database = Explained(tmp_path / "conversations.db")
    with pytest.raises(LookupError) as plan:
        await ThreadStore(database).runs.page(ALICE, RunQuery(limit=5, before=cursor))
    await database.aclose()
    assert plan.value.args[0] == [
        "SEARCH runs USING INDEX runs_listed",
        "SEARCH threads USING INTEGER PRIMARY KEY",
    ]


async def test_page_has_fewer_runs_if_they_began_with_large_messages(threads: ThreadStore) -> None:
    for number in range(4):
        question = HumanMessage(f"{number}" + "x" * 400_000)
        await threads.begin_run(RunKey(ALICE.thread("t"), f"run-{number}"), "p", messages=[question])
        await threads.end_run(
            RunKey(ALICE.thread("t"), f"run-{number}"), "idle", [AIMessage("y" * 1_100_000)]
        )
    page = await threads.runs.page(ALICE, RunQuery(limit=4))
    assert [run.run_id for run in page.runs] == ["run-3", "run-2"]
    rest = await threads.runs.page(ALICE, RunQuery(limit=4, before=page.cursor))
    assert ([run.run_id for run in rest.runs], rest.cursor) == (["run-1", "run-0"], None)
    whole = await threads.runs.page(ALICE, RunQuery(limit=4, messages=500))
    assert [run.run_id for run in whole.runs] == ["run-3"]
