"""The state of runs, over all processes that share the database."""

from agent.conversations.database.database import Database
from agent.conversations.store.threads import ThreadStore

OWNER = "a" * 64


async def test_process_learns_which_of_its_runs_were_ended_by_another(database: Database) -> None:
    threads = ThreadStore(database)
    for thread, process in (("t", "p"), ("u", "p"), ("v", "other")):
        await threads.begin_run(OWNER, thread, f"run-{thread}", process)
    assert await threads.runs_of("p") == {"run-t", "run-u"}
    await threads.end_run(OWNER, "t", "run-t", "idle")
    assert await threads.runs_of("p") == {"run-u"}


async def test_runs_of_deleted_threads_are_none_of_the_process(database: Database) -> None:
    threads = ThreadStore(database)
    await threads.begin_run(OWNER, "t", "run-t", "p")
    await threads.delete(OWNER, "t")
    assert await threads.runs_of("p") == set()


async def test_runs_of_a_process_are_interrupted_unless_it_was_seen_meanwhile(database: Database) -> None:
    threads = ThreadStore(database)
    for thread, process in (("t", "seen"), ("u", "never-seen"), ("v", "own")):
        await threads.begin_run(OWNER, thread, f"run-{thread}", process)
    await threads.heartbeat("seen", ["run-t"])
    executing = await threads.executing("own")
    assert executing.keys() == {"seen", "never-seen"}
    assert executing["never-seen"] is None
    await threads.heartbeat("seen", ["run-t"])
    assert await threads.interrupted_of("seen", executing["seen"]) == []
    stopped = await threads.interrupted_of("never-seen", None)
    assert [(each.owner, each.thread_id, each.run_id) for each in stopped] == [(OWNER, "u", "run-u")]
    latest = (await threads.executing("own"))["seen"]
    assert [each.run_id for each in await threads.interrupted_of("seen", latest)] == ["run-t"]
    assert await threads.executing("own") == {}
