"""A conversation and a user store no more than their limits, and one who deletes can go on."""

from collections.abc import Callable

import pytest
from langchain_core.messages import AIMessage, HumanMessage

from agent.conversations.database.database import Database, query
from agent.conversations.drafts import Draft
from agent.conversations.owned_thread import RunKey
from agent.conversations.storage_limits import StorageLimits
from agent.conversations.thread import MessageStoredError
from agent.conversations.threads import ThreadStore
from agent.errors.error_codes import AgentCode
from identity.errors import ApprovalError, StorageLimitError, ThreadBusyError, ThreadNotFoundError
from tests.agent.conversations.stored_threads import ALICE, BOB, RUN, Clock, asked

pytestmark = pytest.mark.promise("bounded")

LimitedTo = Callable[..., ThreadStore]
LONG = "x" * 10_000


@pytest.fixture
def limited_to(database: Database, clock: Clock) -> LimitedTo:
    return lambda **limits: ThreadStore(database, limits=StorageLimits(**limits), clock=clock)


async def refused(threads: ThreadStore, thread_id: str, text: str = "one more") -> tuple[AgentCode, str, int]:
    with pytest.raises(StorageLimitError) as caught:
        await asked(threads, thread_id, text)
    return caught.value.code, caught.value.unit, caught.value.most


async def stored_bytes(database: Database, thread_id: str) -> int:
    [[found]] = await database.read(lambda: query("SELECT bytes FROM threads WHERE id = ?", thread_id))
    return found


async def test_message_that_would_exceed_the_messages_of_a_conversation_is_refused(limited_to):
    threads = limited_to(thread_messages=5)
    await asked(threads, "t", "one", "two")
    await threads.begin_run(RUN, "p", messages=[HumanMessage("three")])
    await threads.append(RUN, [AIMessage("a run that has begun")])
    assert await threads.end_run(RUN, "failed", [AIMessage("stores its end")])
    assert await refused(threads, "t") == (AgentCode.CONVERSATION_FULL, "messages", 5)
    assert len(await threads.messages(ALICE.thread("t"), limit=20)) == 7
    await asked(threads, "other", "is not concerned")


async def test_message_that_would_exceed_the_bytes_of_a_conversation_is_refused(limited_to):
    threads = limited_to(thread_bytes=25_000)
    await asked(threads, "t", LONG)
    assert await refused(threads, "t", LONG) == (AgentCode.CONVERSATION_FULL, "bytes", 25_000)
    await asked(threads, "t", "short")
    await asked(threads, "t", "short")


async def test_bytes_are_what_was_added(database: Database, threads: ThreadStore) -> None:
    await threads.begin_run(RUN, "p", messages=[HumanMessage(LONG)])
    question = await stored_bytes(database, "t")
    await threads.append(RUN, [AIMessage(LONG), AIMessage(LONG)])
    await threads.end_run(RUN, "idle", [AIMessage(LONG)])
    whole = await stored_bytes(database, "t")
    assert 10_000 < question < 12_000
    assert 30_000 < whole - question < 32_000
    await threads.begin_run(RunKey(ALICE.thread("t"), "lost"), "dead", messages=[HumanMessage("x")])
    before = await stored_bytes(database, "t")
    await threads.write_drafts(
        [Draft(RunKey(ALICE.thread("t"), "lost"), 1, [{"type": "content", "text": LONG}])]
    )
    await threads.processes.interrupted_of("dead", None)
    assert 10_000 < await stored_bytes(database, "t") - before < 11_000


@pytest.mark.parametrize("limits", [{"thread_messages": 2}, {"thread_bytes": 3_000}, {"user_bytes": 3_000}])
async def test_run_that_waited_goes_on_in_a_full_conversation_and_a_failed_one_does_not(limited_to, limits):
    threads = limited_to(**limits)
    await threads.begin_run(RUN, "p", messages=[HumanMessage("apply")])
    await threads.append(RUN, [AIMessage("x" * 3_000), AIMessage("x")])
    await threads.end_run(RUN, "paused")
    await threads.begin_run(RUN, "p")
    await threads.end_run(RUN, "failed")
    with pytest.raises(StorageLimitError):
        await threads.begin_run(
            RunKey(ALICE.thread("t"), "s"), "p", unchanged=await threads.get(ALICE.thread("t"))
        )


async def test_user_who_deletes_conversations_can_go_on(limited_to: LimitedTo) -> None:
    threads = limited_to(user_bytes=25_000)
    await asked(threads, "a", LONG)
    for thread in ("a", "b"):
        assert await refused(threads, thread, LONG) == (AgentCode.STORAGE_FULL, "bytes", 25_000)
    await asked(threads, "a", "short")
    await asked(threads, "of-bob", LONG, owner=BOB)
    await threads.delete(ALICE.thread("a"))
    await asked(threads, "b", LONG)


async def test_deleted_conversations_that_can_be_restored_take_up_as_much_again_at_most(limited_to):
    threads = limited_to(user_bytes=25_000, user_threads=10)
    for number in range(2):
        await asked(threads, f"t{number}", LONG)
        await threads.delete(ALICE.thread(f"t{number}"))
    assert await refused(threads, "t2", LONG) == (AgentCode.STORAGE_FULL, "bytes", 25_000)
    assert len((await threads.page(ALICE, limit=9))[0]) == 0


async def test_user_opens_no_more_conversations_than_the_limit(limited_to: LimitedTo) -> None:
    threads = limited_to(user_threads=2)
    await threads.open(ALICE, "a")
    await asked(threads, "b", "x")
    with pytest.raises(StorageLimitError):
        await threads.open(ALICE, "c")
    assert await refused(threads, "c") == (AgentCode.STORAGE_FULL, "conversations", 2)
    assert (await threads.open(ALICE, "a")).id == "a"
    await asked(threads, "a", "goes on")
    await threads.open(BOB, "c")
    await threads.delete(ALICE.thread("a"))
    await threads.open(ALICE, "c")


async def test_other_reasons_of_a_refusal_come_first(limited_to: LimitedTo) -> None:
    threads = limited_to(thread_messages=1)
    sent = HumanMessage("x", id="m")
    await threads.begin_run(RUN, "p", messages=[sent])
    with pytest.raises(ThreadBusyError):
        await threads.begin_run(RunKey(ALICE.thread("t"), "s"), "p", messages=[HumanMessage("y")])
    with pytest.raises(MessageStoredError):
        await threads.begin_run(RunKey(ALICE.thread("t"), "s"), "p", messages=[sent])
    await threads.end_run(RUN, "paused")
    with pytest.raises(ApprovalError):
        await threads.begin_run(RunKey(ALICE.thread("t"), "s"), "p", messages=[HumanMessage("y")])
    await threads.delete(ALICE.thread("t"))
    with pytest.raises(ThreadNotFoundError):
        await threads.begin_run(RunKey(ALICE.thread("t"), "s"), "p", messages=[HumanMessage("y")])
