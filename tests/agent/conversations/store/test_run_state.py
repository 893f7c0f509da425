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
