"""Each store of revocations keeps what it is given, notifies other processes, and notices a loss of data."""

import asyncio
import sqlite3
import stat
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Iterable, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psycopg
import pytest
from redis import Redis

from agent.conversations.database.postgres_connections import PostgresConnections, conninfo
from agent.conversations.database.postgres_database import PostgresDatabase
from agent.conversations.database.sqlite_database import SqliteDatabase
from agent.operations.revocation.database_store import DatabaseStore
from agent.operations.revocation.redis_store import RedisStore
from agent.operations.revocation.store import RevocationStore, StoreError
from agent.redis import SharedRedis
from identity.access_token.revocation import Origin, Revocation, Target
from identity.access_token.revocation_list import RevocationList
from identity.secrets.secret import Secret
from tests.databases.postgres_process import PostgresProcess
from tests.databases.redis_process import RedisProcess

pytestmark = pytest.mark.promise("revoked-refused")


def revocation(name: str, until: float | None = 100.0, changed_at: float = 100.0) -> Revocation:
    return Revocation(Target.USER, name, Origin.OPERATOR, until, changed_at)


ALICE, BOB, CAROL = revocation("alice"), revocation("bob"), revocation("carol")


async def at_once(_: float) -> None:
    await asyncio.sleep(0)


@dataclass
class Place:
    """One of the places where revocations are stored. Each process opens it for itself."""

    open: Callable[[], RevocationStore]
    empty: Callable[[], object]
    save: Callable[[], Callable[[], object]]
    """Returns what brings the place back to its present state, as a failover to a server that lags does."""


@pytest.fixture(params=["file", "postgres", "redis"])
async def place(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Place]:
    async with AsyncExitStack() as opened:
        if request.param == "file":
            path = tmp_path / "state" / "revocations.sqlite"

            def of_file() -> DatabaseStore:
                store = file_store(path)
                opened.push_async_callback(store.aclose)
                return store

            yield Place(of_file, path.unlink, lambda: saved_in_file(path))
        elif request.param == "redis":
            server: RedisProcess = request.getfixturevalue("redis")

            def of_redis() -> RedisStore:
                shared = SharedRedis(Secret(server.url), audience="https://agent.example")
                opened.push_async_callback(shared.aclose)
                return RedisStore(shared)

            yield Place(of_redis, server.empty, lambda: saved_in_redis(server))
        else:
            postgres: PostgresProcess = request.getfixturevalue("postgres")

            def of_postgres() -> DatabaseStore:
                database = PostgresDatabase(PostgresConnections(conninfo(Secret(postgres.url)), most=2))
                store = DatabaseStore(database, "PostgreSQL", shared=True, sleep=at_once)
                opened.push_async_callback(store.aclose)
                return store

            yield Place(of_postgres, lambda: emptied(postgres), lambda: saved_in_postgres(postgres))


def file_store(path: Path) -> DatabaseStore:
    return DatabaseStore(SqliteDatabase(path), "the file", shared=False, sleep=at_once)


def emptied(postgres: PostgresProcess) -> None:
    with psycopg.connect(postgres.url, autocommit=True) as connection:
        connection.execute("TRUNCATE idaas_agent.revocations")


def saved_in_postgres(postgres: PostgresProcess) -> Callable[[], object]:
    def of_tables(work: Callable[[Any], object]) -> None:
        with psycopg.connect(postgres.url, autocommit=True) as connection:
            work(connection)

    names = (
        "SELECT tablename FROM pg_tables WHERE schemaname = 'idaas_agent' AND tablename LIKE 'revocation%'"
    )
    return saved_in_tables(of_tables, names, "idaas_agent.")


def saved_in_file(path: Path) -> Callable[[], object]:
    def of_tables(work: Callable[[Any], object]) -> None:
        connection = sqlite3.connect(path)
        with connection:
            work(connection)
        connection.close()

    names = "SELECT name FROM sqlite_schema WHERE type = 'table' AND name LIKE 'revocation%'"
    return saved_in_tables(of_tables, names, "")


def saved_in_tables(
    of_tables: Callable[[Callable[[Any], object]], None], names: str, schema: str
) -> Callable[[], object]:
    """The rows of all tables of revocations."""
    rows: dict[str, list[Any]] = {}

    def read(connection: Any) -> None:
        for [name] in connection.execute(names).fetchall():
            rows[name] = connection.execute(f"SELECT * FROM {schema}{name}").fetchall()  # noqa: S608

    def restore(connection: Any) -> None:
        mark = "%s" if schema else "?"
        for name, kept in rows.items():
            connection.execute(f"DELETE FROM {schema}{name}")  # noqa: S608
            for row in kept:
                values = ", ".join([mark] * len(row))
                connection.execute(f"INSERT INTO {schema}{name} VALUES ({values})", row)  # noqa: S608

    of_tables(read)
    return lambda: of_tables(restore)


def saved_in_redis(server: RedisProcess) -> Callable[[], object]:
    with Redis(port=server.port) as client:
        values = {key: client.dump(key) for key in client.keys("*")}

    def restore() -> None:
        with Redis(port=server.port) as client:
            for key, value in values.items():
                client.restore(key, 0, value, replace=True)

    return restore


def latest(found: Iterable[Revocation]) -> set[Revocation]:
    """What counts of them."""
    revocations = RevocationList()
    for each in found:
        revocations.apply(each)
    return set(revocations.entries())


async def read(changes: AsyncGenerator[Sequence[Revocation]]) -> set[Revocation]:
    """What is stored; then `changes` waits for more."""
    found: list[Revocation] = []
    async with asyncio.timeout(60):
        while sequence := await anext(changes):
            found += sequence
    return latest(found)


async def stored(place: Place) -> set[Revocation]:
    changes = place.open().changes()
    found = await read(changes)
    await changes.aclose()
    return found


async def test_stored_revocations_are_read_by_a_process_that_starts_later(place: Place) -> None:
    assert await stored(place) == set()
    await place.open().put([ALICE, revocation("bob", until=None)])
    assert await stored(place) == {ALICE, revocation("bob", until=None)}


async def test_other_processes_receive_a_revocation(place: Place) -> None:
    changes, writer = place.open().changes(), place.open()
    assert await read(changes) == set()
    for each in (ALICE, BOB):
        await writer.put([each])
        async with asyncio.timeout(60):
            assert [*await anext(changes)] == [each]
    await changes.aclose()


@pytest.mark.parametrize(
    ("first", "second", "kept"),
    [
        (ALICE, revocation("alice", None, 200.0), revocation("alice", None, 200.0)),
        (revocation("alice", None, 200.0), ALICE, revocation("alice", None, 200.0)),
        (revocation("alice", None), ALICE, ALICE),
        (ALICE, revocation("alice", None), ALICE),
    ],
)
async def test_later_change_counts_in_any_order(place, first, second, kept):
    for each in (first, second):
        await place.open().put([each])
    assert await stored(place) == {kept}


async def test_removed_revocation_is_gone_unless_a_later_one_has_replaced_it(place: Place) -> None:
    later = revocation("alice", 150.0, 150.0)
    await place.open().put([ALICE, BOB, later, revocation("carol")])
    await place.open().remove([ALICE, BOB])
    assert await stored(place) == {later, revocation("carol")}


async def test_changes_end_when_the_store_was_emptied(place: Place) -> None:
    changes = place.open().changes()
    await place.open().put([ALICE, BOB])
    assert await read(changes) == {ALICE, BOB}
    await asyncio.to_thread(place.empty)
    async with asyncio.timeout(60):
        with pytest.raises(StopAsyncIteration):
            await anext(changes)
    await place.open().put([BOB])
    assert await stored(place) == {BOB}


async def ended(changes: AsyncGenerator[Sequence[Revocation]]) -> None:
    """`changes` ends, whatever it sends before."""
    async with asyncio.timeout(60):
        async for _ in changes:
            pass


async def test_changes_end_when_another_revocation_took_the_number_of_a_lost_one(place: Place) -> None:
    changes = place.open().changes()
    await place.open().put([ALICE])
    assert await read(changes) == {ALICE}
    restore = await asyncio.to_thread(place.save)
    await place.open().put([BOB])
    async with asyncio.timeout(60):
        assert [*await anext(changes)] == [BOB]
    await asyncio.to_thread(restore)
    await place.open().put([CAROL])
    await ended(changes)
    assert await stored(place) == {ALICE, CAROL}


async def test_changes_end_when_the_process_has_stored_what_was_lost_before_it_was_read(place: Place) -> None:
    store = place.open()
    await place.open().put([ALICE])
    changes = store.changes()
    assert await read(changes) == {ALICE}
    restore = await asyncio.to_thread(place.save)
    await store.put([BOB])
    await asyncio.to_thread(restore)
    await ended(changes)
    assert await stored(place) == {ALICE}


async def test_changes_of_a_replaced_store_are_followed_again(place: Place) -> None:
    store = place.open()
    await store.put([ALICE])
    restore = await asyncio.to_thread(place.save)
    await store.put([BOB])
    first = store.changes()
    await read(first)
    await asyncio.to_thread(restore)
    await ended(first)
    second = store.changes()
    assert await read(second) == {ALICE}
    await place.open().put([CAROL])
    async with asyncio.timeout(60):
        assert [*await anext(second)] == [CAROL]
    await second.aclose()


async def test_changes_go_on_when_the_latest_revocation_is_replaced_by_a_later_one(place: Place) -> None:
    changes = place.open().changes()
    await place.open().put([ALICE])
    assert await read(changes) == {ALICE}
    for changed_at in (200.0, 300.0):
        later = revocation("alice", changed_at, changed_at)
        await place.open().put([later])
        async with asyncio.timeout(60):
            assert [*await anext(changes)] == [later]
    await changes.aclose()


async def test_revocation_that_is_stored_during_the_removal_of_others_is_received(place: Place) -> None:
    """As by several processes that remove the same old ones."""
    old = [revocation(f"user-{number}") for number in range(300)]
    await place.open().put(old)
    changes = place.open().changes()
    await read(changes)
    removing = [place.open().remove(old[:-1]), place.open().remove(old[:-1])]
    await asyncio.gather(*removing, *(place.open().put([each]) for each in (ALICE, BOB)))
    assert await stored(place) == {ALICE, BOB, old[-1]}
    await changes.aclose()


async def test_many_revocations_are_written_and_read_in_parts(place: Place) -> None:
    many = [revocation(f"user-{number}") for number in range(5_000)]
    await place.open().put(many)
    changes, sizes = place.open().changes(), []
    async with asyncio.timeout(60):
        while sequence := await anext(changes):
            sizes.append(len(sequence))
    await changes.aclose()
    assert sum(sizes) >= len(many)
    assert max(sizes) < len(many)


async def test_file_is_made_by_the_first_revocation_and_readable_by_its_owner_only(tmp_path: Path) -> None:
    path = tmp_path / "state" / "revocations.sqlite"
    store = file_store(path)
    changes = store.changes()
    assert await read(changes) == set()
    assert not path.parent.exists()
    await store.put([ALICE])
    assert [stat.S_IMODE(each.stat().st_mode) for each in (path, path.parent)] == [0o600, 0o700]
    await changes.aclose()
    await store.aclose()


@pytest.mark.parametrize("name", ["folder", "loop", "text", "text/within"])
async def test_file_that_cannot_be_used_is_an_error_that_names_it(tmp_path: Path, name: str) -> None:
    (tmp_path / "folder").mkdir()
    (tmp_path / "loop").symlink_to(tmp_path / "loop")
    (tmp_path / "text").write_text("no database " * 100)
    store = file_store(tmp_path / name)
    with pytest.raises(StoreError, match=name):
        await store.put([ALICE])
    await store.aclose()
