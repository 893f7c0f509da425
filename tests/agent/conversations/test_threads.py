"""Threads: kept by owner, one run at a time."""

import asyncio
import json

import pytest
from langchain_core.messages import AIMessage, HumanMessage

from agent.conversations.database.database import Database, query
from agent.conversations.owned_thread import RunKey
from agent.conversations.thread import MessageStoredError, owner_digest
from agent.conversations.threads import ThreadStore
from agent.errors.error_codes import AgentCode
from graph.error_codes import GraphCode
from identity.errors import ApprovalError, ThreadBusyError, ThreadNotFoundError
from identity.principal import Principal
from tests.agent.conftest import NewDatabase
from tests.agent.conversations.stored_threads import ALICE, BOB, RUN, Clock, asked, window

ASKED = HumanMessage("And now?", id="m-1")


async def test_message_that_is_stored_begins_no_other_run(new_database: NewDatabase, clock: Clock) -> None:
    threads, elsewhere = (ThreadStore(new_database(), clock=clock) for _ in range(2))
    await threads.begin_run(RunKey(ALICE.thread("t"), "run-1"), "p", messages=[ASKED])
    for ended in (False, True):
        if ended:
            await threads.end_run(RunKey(ALICE.thread("t"), "run-1"), "idle", [AIMessage("Yes")])
            await asked(threads, "t", *("More?" for _ in range(50)))
        for repeated in ([ASKED], [HumanMessage("new", id="m-2"), ASKED]):
            with pytest.raises(MessageStoredError) as refused:
                await elsewhere.begin_run(RunKey(ALICE.thread("t"), "run-2"), "q", messages=repeated)
            assert refused.value.runs == {"m-1": "run-1"}
    stored = [each.message.text for each in await threads.messages(ALICE.thread("t"), limit=200)]
    assert stored.count("And now?") == 1
    assert "new" not in stored
    await elsewhere.begin_run(RunKey(ALICE.thread("other"), "run-3"), "q", messages=[ASKED])
    await elsewhere.begin_run(RunKey(BOB.thread("t"), "run-4"), "q", messages=[ASKED])


async def test_run_begins_only_if_the_thread_is_as_it_was_read(threads: ThreadStore) -> None:
    await threads.begin_run(RunKey(ALICE.thread("t"), "run-1"), "p", messages=[ASKED])
    await threads.end_run(RunKey(ALICE.thread("t"), "run-1"), "failed")
    seen = await threads.get(ALICE.thread("t"))
    await threads.begin_run(RunKey(ALICE.thread("t"), "run-2"), "p", unchanged=seen)
    await threads.end_run(RunKey(ALICE.thread("t"), "run-2"), "failed")
    with pytest.raises(ThreadBusyError):
        await threads.begin_run(RunKey(ALICE.thread("t"), "run-3"), "p", unchanged=seen)
    await threads.begin_run(
        RunKey(ALICE.thread("t"), "run-3"), "p", unchanged=await threads.get(ALICE.thread("t"))
    )


def texts(messages: list) -> list[str]:
    return [message.text for message in messages]


def test_owner_is_a_digest_of_issuer_and_subject() -> None:
    assert owner_digest(Principal("https://idaas.example", "user_alice")) == ALICE.digest
    assert owner_digest(Principal("a", "bc")) != owner_digest(Principal("ab", "c"))
    assert len(ALICE.digest) == 64
    assert "alice" not in ALICE.digest


@pytest.mark.parametrize("thread_id", ["", "a b", "a/b", "ü", "x" * 65, "a\n"])
async def test_thread_is_not_opened_with_an_unusable_identifier(threads: ThreadStore, thread_id: str) -> None:
    with pytest.raises(ValueError, match="identifier"):
        await threads.open(ALICE, thread_id)


@pytest.mark.promise("threads-are-private")
async def test_thread_of_another_owner_is_absent_for_every_operation(threads: ThreadStore) -> None:
    await asked(threads, "t", "What is my salary?")
    attempts = [
        threads.get(BOB.thread("t")),
        threads.rename(BOB.thread("t"), "Mine"),
        threads.delete(BOB.thread("t")),
        threads.restore(BOB.thread("t")),
        threads.exported(BOB.thread("t")),
        threads.messages(BOB.thread("t"), limit=10),
        window(threads, BOB.thread("t")),
    ]
    for attempt in attempts:
        with pytest.raises(ThreadNotFoundError) as caught:
            await attempt
        assert caught.value.code is AgentCode.THREAD_NOT_FOUND
    assert await threads.page(BOB, limit=10) == ([], None)
    assert not await threads.end_run(RunKey(BOB.thread("t"), "run-t-0"), "idle")
    with pytest.raises(ThreadBusyError):
        await threads.append(RunKey(BOB.thread("t"), "run-t-0"), [HumanMessage("forged")])


@pytest.mark.promise("threads-are-private")
async def test_one_identifier_of_two_owners_is_two_threads(threads: ThreadStore) -> None:
    await asked(threads, "same", "Alice asks", owner=ALICE)
    await asked(threads, "same", "Bob asks", owner=BOB)
    assert texts(await window(threads, ALICE.thread("same"))) == ["Alice asks", "Answer to Alice asks"]
    assert texts(await window(threads, BOB.thread("same"))) == ["Bob asks", "Answer to Bob asks"]
    assert await threads.delete_all(BOB) == 1
    assert (await threads.get(ALICE.thread("same"))).title == "Alice asks"


async def test_second_run_of_a_thread_is_refused_until_the_first_has_ended(threads: ThreadStore) -> None:
    await threads.begin_run(RunKey(ALICE.thread("t"), "first"), "p")
    thread = await threads.get(ALICE.thread("t"))
    assert (thread.status, thread.run_id) == ("running", "first")
    for run in ("second", "first"):
        with pytest.raises(ThreadBusyError) as caught:
            await threads.begin_run(RunKey(ALICE.thread("t"), run), "p", messages=[HumanMessage("lost")])
        assert caught.value.code is AgentCode.THREAD_BUSY
    assert await threads.end_run(RunKey(ALICE.thread("t"), "first"), "failed")
    assert (await threads.get(ALICE.thread("t"))).status == "failed"
    await threads.begin_run(RunKey(ALICE.thread("t"), "second"), "p")
    assert await threads.messages(ALICE.thread("t"), limit=10) == []


async def test_only_one_of_many_runs_that_begin_at_once_gets_the_thread(new_database, clock):
    stores = [ThreadStore(new_database(), clock=clock) for _ in range(4)]
    begun = [
        store.begin_run(
            RunKey(ALICE.thread("t"), f"run-{number}-{index}"), "p", messages=[HumanMessage(str(number))]
        )
        for number, store in enumerate(stores)
        for index in range(3)
    ]
    results = await asyncio.gather(*begun, return_exceptions=True)
    assert [each.window for each in results if not isinstance(each, BaseException)] == [[]]
    assert len(await stores[0].messages(ALICE.thread("t"), limit=10)) == 1


async def test_only_the_run_that_a_thread_waits_with_goes_on(threads: ThreadStore) -> None:
    await threads.begin_run(RUN, "p", messages=[HumanMessage("Apply for leave")])
    await threads.end_run(RUN, "paused", [AIMessage("")])
    thread = await threads.get(ALICE.thread("t"))
    assert (thread.status, thread.run_id) == ("paused", "r")
    with pytest.raises(ApprovalError) as caught:
        await threads.begin_run(RunKey(ALICE.thread("t"), "another"), "p", messages=[HumanMessage("yes")])
    assert caught.value.code is GraphCode.APPROVAL_OPEN
    await threads.begin_run(RUN, "p")
    assert (await threads.get(ALICE.thread("t"))).status == "running"
    with pytest.raises(ThreadBusyError):
        await threads.begin_run(RUN, "p")
    assert await threads.end_run(RUN, "idle")
    thread = await threads.get(ALICE.thread("t"))
    assert (thread.status, thread.run_id) == ("idle", "r")


async def test_run_of_a_silent_process_is_interrupted_and_cannot_write_any_more(threads):
    await threads.begin_run(RUN, "dead", messages=[HumanMessage("Hello")])
    await threads.processes.interrupted_of("dead", None)
    assert (await threads.get(ALICE.thread("t"))).status == "interrupted"
    with pytest.raises(ThreadBusyError):
        await threads.append(RUN, [AIMessage("late")])
    assert not await threads.end_run(RUN, "idle", [AIMessage("late")])
    await threads.begin_run(RunKey(ALICE.thread("t"), "next"), "living")
    assert len(await threads.messages(ALICE.thread("t"), limit=10)) == 1


async def test_run_that_its_living_process_has_lost_is_interrupted(threads, clock):
    await threads.begin_run(RunKey(ALICE.thread("t"), "lost"), "p")
    await threads.processes.heartbeat("p", [])  # it may have begun this moment
    assert (await threads.get(ALICE.thread("t"))).status == "running"
    clock.now += 60
    await threads.processes.heartbeat("p", ["other"])
    assert (await threads.get(ALICE.thread("t"))).status == "interrupted"


async def test_deleted_thread_is_absent_and_can_be_restored(threads: ThreadStore) -> None:
    await asked(threads, "t", "One")
    await threads.delete(ALICE.thread("t"))
    for attempt in (
        threads.get(ALICE.thread("t")),
        threads.delete(ALICE.thread("t")),
        threads.open(ALICE, "t"),
        threads.begin_run(RUN, "p"),
        threads.messages(ALICE.thread("t"), limit=10),
        window(threads, ALICE.thread("t")),
    ):
        with pytest.raises(ThreadNotFoundError):
            await attempt
    assert await threads.page(ALICE, limit=10) == ([], None)
    assert (await threads.restore(ALICE.thread("t"))).id == "t"
    assert texts(await window(threads, ALICE.thread("t"))) == ["One", "Answer to One"]


async def test_thread_is_deleted_with_its_only_run_unless_another_one_begins_meanwhile(
    threads: ThreadStore,
) -> None:
    await asked(threads, "t", "One")
    only = RunKey(ALICE.thread("t"), "run-t-0")
    for other in (RunKey(ALICE.thread("t"), "other"), RunKey(BOB.thread("t"), "run-t-0")):
        assert not await threads.runs.is_only(other)
        assert not await threads.delete_only_run(other)
    assert await threads.runs.is_only(only)
    later = RunKey(ALICE.thread("t"), "later")
    await threads.begin_run(later, "p")
    for run in (only, later):
        assert not await threads.delete_only_run(run)
    assert (await threads.get(ALICE.thread("t"))).status == "running"

    await asked(threads, "u", "Two")
    assert await threads.delete_only_run(RunKey(ALICE.thread("u"), "run-u-0"))
    assert not await threads.delete_only_run(RunKey(ALICE.thread("u"), "run-u-0"))
    with pytest.raises(ThreadNotFoundError):
        await threads.get(ALICE.thread("u"))


async def test_thread_that_is_not_deleted_is_restored_without_effect(threads: ThreadStore) -> None:
    await asked(threads, "t", "One")
    before = await threads.get(ALICE.thread("t"))
    assert await threads.restore(ALICE.thread("t")) == before
    for thread in (ALICE.thread("other"), BOB.thread("t")):
        with pytest.raises(ThreadNotFoundError):
            await threads.restore(thread)


async def test_export_has_every_message_in_parts_of_bounded_size(threads: ThreadStore) -> None:
    await asked(threads, "t", *(f"Question {number} " + "x" * 100_000 for number in range(10)))
    found: list[str] = []
    after, parts = 0, 0
    while part := await threads.exported(ALICE.thread("t"), after=after):
        assert sum(len(each.json) for each in part) < 400_000
        found += [json.loads(each.json)["content"].split(" x")[0] for each in part]
        after, parts = part[-1].seq, parts + 1
    assert parts > 5
    assert found[::2] == [f"Question {number}" for number in range(10)]
    assert found[19] == "Answer to Question 9"


async def test_page_ends_with_the_message_that_exceeds_its_bytes(threads: ThreadStore) -> None:
    many = [HumanMessage(f"{number}" + "x" * 300_000) for number in range(8)]
    await threads.begin_run(RUN, "p", messages=many)
    page = await threads.messages(ALICE.thread("t"), limit=8)
    assert [each.seq for each in page] == [5, 6, 7, 8]
    assert [each.seq for each in await threads.messages(ALICE.thread("t"), before=2, limit=8)] == [1]
    assert [each.seq for each in await threads.messages(ALICE.thread("t"), limit=8, most_bytes=1)] == [8]


async def test_failed_transaction_changes_nothing(database: Database, threads: ThreadStore) -> None:
    await threads.open(ALICE, "t")

    def work():
        yield from query("UPDATE threads SET status = 'failed'")
        raise LookupError

    with pytest.raises(LookupError):
        await database.write(work)
    assert (await threads.get(ALICE.thread("t"))).status == "idle"
