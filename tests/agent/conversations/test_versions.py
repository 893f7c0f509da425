"""A question that was asked anew: the versions of it, and which of them is the conversation."""

import asyncio
import base64

import pytest
from langchain_core.messages import AIMessage, HumanMessage

from agent.conversations.database.database import Database, query
from agent.conversations.encryption.encryption import Encryption
from agent.conversations.owned_thread import RunKey
from agent.conversations.storage_limits import StorageLimits
from agent.conversations.thread import Thread
from agent.conversations.threads import ThreadStore
from identity.access_token.sealed_caller import SealingKeys
from identity.errors import StorageLimitError, ThreadBusyError
from tests.agent.conversations.stored_threads import ALICE

KEY = base64.urlsafe_b64encode(bytes(range(32))).decode()


async def ask(threads: ThreadStore, text: str, replaces: int | None = None) -> list[str]:
    """One finished run; what the model read before the question."""
    run, message = f"run-{text}", HumanMessage(text, id=text)
    seen = None if replaces is None else await threads.get(ALICE.thread("t"))
    begun = await threads.begin_run(
        RunKey(ALICE.thread("t"), run),
        "p",
        messages=[message],
        tokens=1000,
        unchanged=seen,
        replaces=replaces,
    )
    await threads.end_run(RunKey(ALICE.thread("t"), run), "idle", [AIMessage(f"to {text}", id=f"to {text}")])
    return [each.text for each in begun.window]


async def shown(threads: ThreadStore) -> list[tuple[str, list[int]]]:
    return [
        (each.message.text, [*each.versions]) for each in await threads.messages(ALICE.thread("t"), limit=200)
    ]


async def test_version_replaces_what_the_model_reads_and_each_can_be_shown_again(new_database, clock):
    database = new_database()
    threads = ThreadStore(database, Encryption(SealingKeys.of(KEY)), clock=clock)
    for text in ("one", "two", "three"):
        await ask(threads, text)

    assert await ask(threads, "TWO", 3) == ["one", "to one"]
    assert await ask(threads, "four") == ["one", "to one", "TWO", "to TWO"]
    changed = [("one", []), ("to one", []), ("TWO", [3, 7]), ("to TWO", []), ("four", []), ("to four", [])]
    assert await shown(threads) == changed

    assert await ask(threads, "ONE", 1) == []
    assert await shown(threads) == [("ONE", [1, 11]), ("to ONE", [])]
    await threads.show(ALICE.thread("t"), 1)
    assert (await shown(threads))[1:] == changed[1:]
    await threads.show(ALICE.thread("t"), 3)
    assert [text for text, _ in await shown(threads)] == [
        *("one", "to one", "two", "to two", "three", "to three")
    ]
    assert await ask(threads, "five") == ["one", "to one", "two", "to two", "three", "to three"]
    for version in (5, 99):
        with pytest.raises(ThreadBusyError, match="no version"):
            await threads.show(ALICE.thread("t"), version)

    exported = await threads.exported(ALICE.thread("t"))
    assert [each.seq for each in exported] == [*range(1, 15)]
    assert [each.seq for each in exported if each.replaced] == [7, 8, 9, 10, 11, 12]
    assert b"TWO" not in b"".join(await _bodies(database))
    found, _ = await threads.page(ALICE, limit=9, search="ONE five")
    assert [each.id for each in found] == ["t"]


async def test_of_two_processes_that_replace_a_question_one_does(new_database, clock):
    stores = [ThreadStore(new_database(), clock=clock) for _ in range(2)]
    await ask(stores[0], "one")
    seen = await stores[0].get(ALICE.thread("t"))

    async def replaces(number: int, unchanged: Thread = seen) -> None:
        run, message = f"run-{number}", HumanMessage(f"ONE {number}", id=f"m-{number}")
        await stores[number].begin_run(
            RunKey(ALICE.thread("t"), run), f"p-{number}", messages=[message], unchanged=unchanged, replaces=1
        )
        await stores[number].end_run(RunKey(ALICE.thread("t"), run), "idle", [AIMessage("done")])

    outcomes = await asyncio.gather(replaces(0), replaces(1), return_exceptions=True)

    assert sorted(type(each).__name__ for each in outcomes) == ["NoneType", "ThreadBusyError"]
    assert len(await stores[0].exported(ALICE.thread("t"))) == 4
    assert [versions for _, versions in await shown(stores[1])] == [[1, 3], []]


async def test_no_version_is_shown_while_a_run_is_in_progress_and_all_count(new_database, clock):
    threads = ThreadStore(new_database(), limits=StorageLimits(thread_messages=5), clock=clock)
    await ask(threads, "one")
    await ask(threads, "ONE", 1)
    message, seen = HumanMessage("1", id="1"), await threads.get(ALICE.thread("t"))
    await threads.begin_run(
        RunKey(ALICE.thread("t"), "run"), "p", messages=[message], unchanged=seen, replaces=3
    )
    with pytest.raises(ThreadBusyError):
        await threads.show(ALICE.thread("t"), 1)
    await threads.end_run(RunKey(ALICE.thread("t"), "run"), "idle", [AIMessage("to 1")])
    with pytest.raises(StorageLimitError):
        await ask(threads, "more", 5)


async def _bodies(database: Database) -> list[bytes]:
    return [bytes(body) for [body] in await database.read(lambda: query("SELECT body FROM messages"))]
