"""What a turn writes does not grow with the conversation: counted in bytes of the databases' own logs."""

from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest
from langchain_core.messages import AIMessage, HumanMessage, ToolMessage

from agent.conversations.database.database import Database, query
from agent.conversations.database.postgres_database import PostgresDatabase
from agent.conversations.owned_thread import RunKey, stored_owner
from agent.conversations.threads import ThreadStore
from tests.agent.conftest import NewDatabase
from tests.agent.conversations.stored_threads import CountedReads

THREAD = stored_owner("owner").thread("t")
RUN = RunKey(THREAD, "r")
Written = Callable[[], Awaitable[int]]


async def written_by(database: Database, folder: Path) -> Written:
    """How many bytes the database has written to its log so far."""
    if isinstance(database, PostgresDatabase):

        async def of_postgres() -> int:
            [[bytes_]] = await database.read(
                lambda: query("SELECT (pg_current_wal_insert_lsn() - '0/0')::bigint")
            )
            return bytes_

        return of_postgres
    await database.read(lambda: query("PRAGMA wal_autocheckpoint = 0"))

    async def of_sqlite() -> int:
        return (folder / "conversations.db-wal").stat().st_size

    return of_sqlite


async def turn(threads: ThreadStore, number: int) -> None:
    """One with a call of a tool, as a run stores it."""
    call = {"id": f"call_{number}", "name": "maps_weather", "args": {"city": "Hangzhou"}}
    run = f"run-{number}"
    await threads.begin_run(RunKey(THREAD, run), "p", messages=[HumanMessage("x" * 200)], tokens=2_000)
    await threads.append(RunKey(THREAD, run), [AIMessage("", tool_calls=[call])])
    await threads.append(RunKey(THREAD, run), [ToolMessage("y" * 500, tool_call_id=f"call_{number}")])
    await threads.end_run(RunKey(THREAD, run), "idle", [AIMessage("z" * 300)])


async def test_turn_writes_as_much_at_the_end_of_a_long_conversation_as_near_its_beginning(
    new_database: NewDatabase, tmp_path: Path
) -> None:
    database = new_database()
    threads = ThreadStore(database)
    await turn(threads, 0)
    written = await written_by(database, tmp_path / "folder")

    async def hundred_turns(first: int) -> int:
        before = await written()
        for number in range(first, first + 100):
            await turn(threads, number)
        return await written() - before

    early = await hundred_turns(1)
    for first in range(101, 401, 100):
        last = await hundred_turns(first)
    assert last < 1.3 * early


@pytest.mark.parametrize("turns", [10, 300])
async def test_turn_reads_no_more_than_its_window(new_database: NewDatabase, turns: int) -> None:
    threads = ThreadStore(new_database())
    many = [
        message for number in range(turns) for message in (HumanMessage(f"{number}"), AIMessage("y" * 400))
    ]
    await threads.begin_run(RUN, "p", messages=many)
    await threads.end_run(RUN, "idle")
    window = (await threads.begin_run(RunKey(THREAD, "s"), "p", tokens=1_000)).window
    assert [message.text for message in window[::2]] == [str(number) for number in range(turns - 9, turns)]


async def test_turn_of_large_messages_reads_no_more_than_a_mebibyte_and_one_of_them(new_database):
    database = CountedReads(new_database())
    threads = ThreadStore(database)
    many = [message for _ in range(20) for message in (HumanMessage("x" * 300_000), AIMessage("y"))]
    await threads.begin_run(RUN, "p", messages=[*many, HumanMessage("Now?"), AIMessage("Yes")])
    await threads.end_run(RUN, "idle")
    database.transactions.clear()
    window = (await threads.begin_run(RunKey(THREAD, "s"), "p", tokens=1_000)).window
    assert [message.text for message in window] == ["Now?", "Yes"]
    assert sum(size for _, size in database.transactions) < 1_500_000
