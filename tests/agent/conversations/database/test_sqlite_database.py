"""The SQLite file: made on first use, private, refused if it is not the agent's, never overwritten."""

import asyncio
import sqlite3
import stat
import subprocess
import sys
from pathlib import Path

import pytest
from langchain_core.messages import HumanMessage

from agent.conversations.database.database import query
from agent.conversations.database.schema import SCHEMA_VERSION
from agent.conversations.database.sqlite_database import SqliteDatabase
from agent.conversations.owned_thread import RunKey
from agent.conversations.threads import ThreadStore
from agent.errors.error_codes import AgentCode
from identity.errors import AgentError, ConfigurationError, UnavailableError
from tests.agent.conversations.stored_threads import OWNER
from tests.clock import Clock


def content(path: Path) -> bytes | None:
    return path.read_bytes() if path.is_file() else None


async def failure(path: Path) -> AgentError:
    """Of the first use of `path`, which leaves the file as it is."""
    before = content(path)
    database = SqliteDatabase(path)
    with pytest.raises(AgentError) as caught:
        await ThreadStore(database).open(OWNER)
    with pytest.raises(AgentError) as checked:
        await database.check()
    assert checked.value.code is caught.value.code is AgentCode.CONVERSATIONS_UNAVAILABLE
    await database.aclose()
    assert content(path) == before
    return caught.value


async def test_file_is_created_by_the_first_use_and_private(tmp_path: Path) -> None:
    path = tmp_path / "new" / "folder" / "conversations.db"
    database = SqliteDatabase(path)
    assert "created by the first conversation" in await database.check()
    assert not path.parent.exists()
    await ThreadStore(database).open(OWNER, "t")
    made = {each.name: stat.S_IMODE(each.stat().st_mode) for each in path.parent.iterdir()}
    assert made == {f"conversations.db{suffix}": 0o600 for suffix in ("", "-wal", "-shm")}
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700
    assert f"version {SCHEMA_VERSION}" in await database.check()
    await database.aclose()
    assert [each.name for each in path.parent.iterdir()] == ["conversations.db"]


async def test_file_of_another_program_and_one_that_is_no_database_are_refused(tmp_path: Path) -> None:
    with sqlite3.connect(tmp_path / "other.db") as other:
        other.execute("CREATE TABLE notes (text)")
    other.close()
    (tmp_path / "text.db").write_text("no database " * 1000)
    for name, reason in (("other.db", "another program"), ("text.db", "SQLITE_NOTADB")):
        error = await failure(tmp_path / name)
        assert isinstance(error, ConfigurationError)
        assert reason in error.detail


async def test_damaged_file_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "damaged.db"
    database = SqliteDatabase(path)
    store = ThreadStore(database)
    for number in range(200):
        await store.open(OWNER, f"t{number}", "title " * 20)
    await database.aclose()
    content = bytearray(path.read_bytes())
    content[4096:] = b"\xff" * (len(content) - 4096)
    path.write_bytes(content)
    error = await failure(path)
    assert isinstance(error, ConfigurationError)
    assert "SQLITE_CORRUPT" in error.detail


async def test_folder_in_which_no_file_can_be_made_is_temporary(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    error = await failure(tmp_path / "file" / "conversations.db")
    assert isinstance(error, UnavailableError)
    assert "file exists" in error.detail


async def test_use_after_a_failure_succeeds_once_the_cause_is_gone(tmp_path: Path) -> None:
    obstacle = tmp_path / "folder"
    obstacle.write_text("")
    store = ThreadStore(SqliteDatabase(obstacle / "conversations.db"))
    with pytest.raises(UnavailableError):
        await store.open(OWNER)
    obstacle.unlink()
    assert (await store.open(OWNER, "t")).id == "t"
    await store._database.aclose()


async def test_full_disk_is_reported_until_messages_can_be_stored_again(tmp_path, caplog):
    caplog.set_level("INFO", "idaas_agent.conversations")
    clock = Clock()
    database = SqliteDatabase(tmp_path / "conversations.db", monotonic=clock)
    threads, question = ThreadStore(database), HumanMessage("x" * 50_000)
    await threads.open(OWNER, "t")

    async def finds_no_room(thread: str) -> None:
        assert database._connection is not None
        database._connection.execute("PRAGMA max_page_count = 1")  # no page more than the file has
        with pytest.raises(UnavailableError):
            await threads.begin_run(RunKey(OWNER.thread(thread), "r"), "p", messages=[question])
        await threads.rename(OWNER.thread("t"), "Tale")  # what is small may still fit
        with pytest.raises(UnavailableError) as caught:
            await database.check()
        assert caught.value.code is AgentCode.CONVERSATIONS_UNAVAILABLE

    await finds_no_room("t1")
    await finds_no_room("t1")
    await threads.begin_run(RunKey(OWNER.thread("t1"), "r"), "p", messages=[question])
    await database.check()
    await finds_no_room("t2")
    clock.now += 61  # without another attempt
    await database.check()
    assert [record.levelname for record in caplog.records] == ["ERROR", "INFO"] * 2
    assert caplog.text.count("SQLITE_FULL") == 2
    await database.aclose()


async def test_closed_database_is_opened_again_by_its_next_use(tmp_path: Path) -> None:
    store = ThreadStore(SqliteDatabase(tmp_path / "conversations.db"))
    await store.open(OWNER, "t")
    await store._database.aclose()
    assert (await store.get(OWNER.thread("t"))).id == "t"
    await store._database.aclose()


async def test_file_that_was_removed_is_reported_and_made_anew_by_the_next_use(tmp_path, caplog):
    path = tmp_path / "conversations.db"
    store = ThreadStore(SqliteDatabase(path))
    await store.open(OWNER, "before")
    for suffix in ("", "-wal", "-shm"):
        path.with_name(f"{path.name}{suffix}").unlink()
    with pytest.raises(UnavailableError) as caught:
        await store._database.check()
    assert caught.value.code is AgentCode.CONVERSATIONS_UNAVAILABLE
    await store.open(OWNER, "after")
    [line] = caplog.records
    assert (line.levelname, "was removed or replaced" in line.getMessage()) == ("ERROR", True)
    assert "tables of version" in await store._database.check()
    await store._database.aclose()
    again = ThreadStore(SqliteDatabase(path))
    assert [thread.id for thread in (await again.page(OWNER, limit=10))[0]] == ["after"]
    await again._database.aclose()


STARTED = """
import asyncio, sys
from pathlib import Path
from agent.conversations.database.database import query
from agent.conversations.database.sqlite_database import SqliteDatabase

async def main():
    database = SqliteDatabase(Path(sys.argv[1]))
    print("ready", flush=True)
    sys.stdin.read()
    for number in range(50):
        name = f"{sys.argv[2]}-{number}"
        await database.write(lambda: query("INSERT INTO processes VALUES (?, ?)", name, 1.0))
    await database.aclose()

asyncio.run(main())
"""


async def test_processes_that_start_at_once_share_a_new_file(tmp_path: Path) -> None:
    path = tmp_path / "conversations.db"
    pipes = dict.fromkeys(("stdin", "stdout", "stderr"), subprocess.PIPE)
    started = [
        await asyncio.create_subprocess_exec(sys.executable, "-c", STARTED, str(path), str(number), **pipes)
        for number in range(3)
    ]
    assert [await process.stdout.readline() for process in started] == [b"ready\n"] * 3
    ended = await asyncio.gather(*(process.communicate(b"") for process in started))
    assert [stderr for _, stderr in ended] == [b""] * 3
    database = SqliteDatabase(path)
    assert await database.read(lambda: query("SELECT count(*) FROM processes")) == [(150,)]
    await database.aclose()


async def test_list_is_one_indexed_query(tmp_path: Path) -> None:
    database = SqliteDatabase(tmp_path / "conversations.db")
    store = ThreadStore(database)
    for number in range(3):
        await store.open(OWNER, f"t{number}")
    seen: list[str] = []
    assert database._connection is not None
    database._connection.set_trace_callback(seen.append)
    _, cursor = await store.page(OWNER, limit=2)
    await store.page(OWNER, limit=2, before=cursor)
    database._connection.set_trace_callback(None)
    selects = [sql for sql in seen if sql.startswith("SELECT")]
    assert len(selects) == 2
    for sql in selects:
        plan = await database.read(lambda sql=sql: query(f"EXPLAIN QUERY PLAN {sql}"))
        assert [row[3].split(" (")[0] for row in plan] == ["SEARCH threads USING INDEX threads_listed"]
    await database.aclose()
