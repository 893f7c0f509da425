"""PostgreSQL: the tables are made once, a server that comes back is used again, and addresses stay secret."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from pathlib import Path
from typing import Any

import psycopg
import pytest
from langchain_core.messages import HumanMessage
from psycopg.conninfo import conninfo_to_dict

from agent.conversations.checkpoints import Checkpoints
from agent.conversations.database import postgres_connections, postgres_database
from agent.conversations.database.database import Transaction, query
from agent.conversations.database.postgres_connections import SCHEMA, PostgresConnections, conninfo
from agent.conversations.database.postgres_database import _LOCK, PostgresDatabase
from agent.conversations.database.schema import SCHEMA_VERSION
from agent.conversations.encryption.encryption import Encryption
from agent.conversations.listing import listed_threads
from agent.conversations.owned_thread import RunKey
from agent.conversations.search_terms import SearchTerms
from agent.conversations.thread import MessageStoredError
from agent.conversations.threads import ThreadStore
from agent.errors.error_codes import AgentCode
from identity.errors import AgentError, UnavailableError
from identity.secrets.secret import Secret
from tests.agent.conversations.stored_threads import OWNER
from tests.databases.counting_proxy import CountingProxy, PostgresWire
from tests.databases.postgres_process import PostgresProcess
from tests.databases.postgres_server import PASSWORD
from tests.until import until

DatabaseOf = Callable[..., PostgresDatabase]


@pytest.fixture
async def database_of(postgres: PostgresProcess) -> DatabaseOf:
    """`database_of(url)`: by default that of the tests."""
    made: list[PostgresDatabase] = []

    def make(url: str | None = None, most: int = 10) -> PostgresDatabase:
        made.append(PostgresDatabase(PostgresConnections(conninfo(Secret(url or postgres.url)), most=most)))
        return made[-1]

    yield make
    for database in made:
        await database.aclose()


@pytest.fixture
def new_url(postgres: PostgresProcess) -> Iterator[str]:
    """A database without tables."""
    with psycopg.connect(postgres.url, autocommit=True) as connection:
        connection.execute("CREATE DATABASE fresh STRATEGY file_copy")
        yield postgres.url_of("fresh")
        connection.execute("DROP DATABASE fresh WITH (FORCE)")


STORED_ELSEWHERE = """
    UPDATE idaas_agent.threads SET last_seq = 2 WHERE id = 't';
    INSERT INTO idaas_agent.messages (thread_key, seq, run_id, created_at, tokens, body, sent)
        SELECT key, 2, 'elsewhere', 0, 1, body, sent FROM idaas_agent.threads, idaas_agent.messages
        WHERE id = 't' AND messages.run_id = 'u-1'
"""
_BLOCKED = "SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock'"


async def test_message_that_another_process_is_storing_is_not_stored_again(postgres, database_of):
    threads, question = ThreadStore(database_of()), HumanMessage("go", id="m-1")
    for thread, asked in (("t", HumanMessage("before", id="m-0")), ("u", question)):
        await threads.begin_run(RunKey(OWNER.thread(thread), f"{thread}-1"), "p", messages=[asked])
        await threads.end_run(RunKey(OWNER.thread(thread), f"{thread}-1"), "idle")
    with psycopg.connect(postgres.url) as other, psycopg.connect(postgres.url, autocommit=True) as observer:
        other.execute(STORED_ELSEWHERE)
        beginning = asyncio.create_task(
            threads.begin_run(RunKey(OWNER.thread("t"), "t-2"), "p", messages=[question])
        )
        await until(lambda: observer.execute(_BLOCKED).fetchone() != (0,))
        other.commit()
        with pytest.raises(MessageStoredError) as refused:
            await beginning
    assert refused.value.runs == {"m-1": "elsewhere"}


async def test_deletion_with_the_only_run_leaves_a_thread_in_which_another_process_begins_a_run(
    postgres, database_of
):
    threads, thread = ThreadStore(database_of()), OWNER.thread("t")
    await threads.begin_run(RunKey(thread, "only"), "p")
    await threads.end_run(RunKey(thread, "only"), "idle")
    with psycopg.connect(postgres.url) as other, psycopg.connect(postgres.url, autocommit=True) as observer:
        other.execute("UPDATE idaas_agent.threads SET status = 'running', run_id = 'later' WHERE id = 't'")
        deletion = asyncio.create_task(threads.delete_only_run(RunKey(thread, "only")))
        await until(lambda: observer.execute(_BLOCKED).fetchone() != (0,))
        other.commit()
        assert not await deletion
    assert (await threads.get(thread)).run_id == "later"


async def failure(database: PostgresDatabase, use: Awaitable[Any] | None = None) -> AgentError:
    with pytest.raises(AgentError) as caught:
        await (use or ThreadStore(database).page(OWNER, limit=1))
    assert caught.value.code is AgentCode.CONVERSATIONS_UNAVAILABLE
    assert PASSWORD not in f"{caught.value!r} {caught.value.detail}"
    return caught.value


async def test_tables_are_made_once_by_processes_that_start_at_once(new_url, database_of):
    databases = [database_of(new_url) for _ in range(5)]
    await asyncio.gather(
        *(ThreadStore(each).open(OWNER, f"t{number}") for number, each in enumerate(databases))
    )
    threads, _ = await ThreadStore(databases[0]).page(OWNER, limit=10)
    assert len(threads) == 5
    assert await databases[0].read(lambda: query("SELECT version FROM schema_version")) == [(SCHEMA_VERSION,)]
    assert f"tables of version {SCHEMA_VERSION}" in await databases[0].check()


async def test_tables_are_in_a_schema_of_their_own(new_url: str, database_of: DatabaseOf) -> None:
    with psycopg.connect(new_url, autocommit=True) as other:
        other.execute("CREATE TABLE checkpoints (of_another_program TEXT)")
    await ThreadStore(database_of(new_url)).open(OWNER)
    with psycopg.connect(new_url) as other:
        rows = other.execute("SELECT schemaname FROM pg_tables WHERE tablename = 'checkpoints'")
        assert {schema for [schema] in rows} == {"public", SCHEMA}


async def test_user_without_the_right_to_make_tables_can_use_existing_ones(new_url, database_of):
    await ThreadStore(database_of(new_url)).open(OWNER)
    limited = new_url.replace("//agent:", "//limited:")
    with psycopg.connect(new_url, autocommit=True) as other:
        other.execute(f"CREATE ROLE limited LOGIN PASSWORD '{PASSWORD}'")
        try:
            error = await failure(database_of(limited))
            assert "may not make or use the tables" in error.detail
            other.execute(f"GRANT USAGE ON SCHEMA {SCHEMA} TO limited")
            granted = "SELECT, INSERT, UPDATE, DELETE"
            other.execute(f"GRANT {granted} ON ALL TABLES IN SCHEMA {SCHEMA} TO limited")
            await ThreadStore(database_of(limited)).open(OWNER, "t")
        finally:
            other.execute("DROP OWNED BY limited; DROP ROLE limited")


@pytest.mark.promise("heals-by-itself")
async def test_server_that_was_restarted_is_used_again_without_an_error(postgres, database_of):
    store = ThreadStore(database_of())
    await asyncio.gather(*(store.open(OWNER, f"t{number}") for number in range(5)))
    postgres.stop()
    try:
        error = await failure(store._database)
        assert isinstance(error, UnavailableError)
    finally:
        postgres.start()
    await asyncio.gather(*(store.get(OWNER.thread(f"t{number}")) for number in range(5)))
    postgres.stop()
    postgres.start()  # the connections that this has broken are replaced within the request
    await store.begin_run(RunKey(OWNER.thread("t0"), "r"), "p")
    assert (await store.get(OWNER.thread("t0"))).status == "running"


@pytest.mark.promise("heals-by-itself")
async def test_connection_to_a_server_that_has_become_a_standby_is_given_up(database_of: DatabaseOf) -> None:
    database = database_of(most=1)
    store = ThreadStore(database)
    await store.open(OWNER, "t")
    await database.read(lambda: query("SET SESSION CHARACTERISTICS AS TRANSACTION READ ONLY"))
    with pytest.raises(UnavailableError) as caught:
        await store.begin_run(RunKey(OWNER.thread("t"), "r"), "p")
    assert "a standby" in caught.value.detail
    await store.begin_run(RunKey(OWNER.thread("t"), "r"), "p")


async def test_transaction_whose_connection_is_lost_is_repeated_once_and_done_once(postgres, database_of):
    database = database_of()
    await ThreadStore(database).open(OWNER, "t")
    attempts = []

    def work() -> Transaction[None]:
        attempts.append(1)
        yield from query("UPDATE threads SET last_seq = last_seq + 1")
        if len(attempts) == 1:
            with psycopg.connect(postgres.url, autocommit=True) as other:
                other.execute(
                    "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
                    " WHERE application_name = 'idaas-agent'"
                )
        yield from query("UPDATE threads SET last_seq = last_seq + 1")

    await database.write(work)
    assert len(attempts) == 2
    assert await database.read(lambda: query("SELECT last_seq FROM threads")) == [(2,)]


async def test_full_disk_is_reported_until_messages_can_be_stored_again(postgres, database_of):
    database = database_of()
    threads, question = ThreadStore(database), HumanMessage("go")
    await threads.open(OWNER, "t")
    with psycopg.connect(postgres.url, autocommit=True, options=f"-c search_path={SCHEMA}") as disk:
        disk.execute(FULL)
        try:
            with pytest.raises(UnavailableError) as caught:
                await threads.begin_run(RunKey(OWNER.thread("t1"), "r"), "p", messages=[question])
            assert "its disk is full" in caught.value.detail
            await threads.rename(OWNER.thread("t"), "Tale")  # what is small may still fit
            assert await failure(database, database.check()) is caught.value
        finally:
            disk.execute("DROP TRIGGER disk ON messages")
    await threads.begin_run(RunKey(OWNER.thread("t1"), "r"), "p", messages=[question])
    await database.check()


FULL = """
    CREATE OR REPLACE FUNCTION full_disk() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
        RAISE disk_full USING MESSAGE = 'could not extend file "base/1/2": No space left on device';
    END $$;
    CREATE TRIGGER disk BEFORE INSERT ON messages EXECUTE FUNCTION full_disk();
"""


async def test_more_transactions_than_connections_wait_for_each_other(database_of: DatabaseOf) -> None:
    store = ThreadStore(database_of(most=2))
    await asyncio.gather(*(store.open(OWNER, f"t{number}") for number in range(30)))
    assert len((await store.page(OWNER, limit=100))[0]) == 30


async def test_cancelled_transaction_is_undone_and_its_connection_not_used_again(database_of):
    database = database_of(most=1)
    store = ThreadStore(database)
    await store.open(OWNER, "t")

    begun = asyncio.Event()

    def work() -> Transaction[None]:
        yield from query("UPDATE threads SET status = 'failed'")
        begun.set()
        yield from query("SELECT pg_sleep(60)")

    running = asyncio.create_task(database.write(work))
    await begun.wait()
    await asyncio.sleep(0)  # it has sent the second statement
    running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await running
    assert (await store.get(OWNER.thread("t"))).status == "idle"


@pytest.mark.promise("no-secret-leaves")
@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (("//agent:", "//agent:wrong-"), "does not accept the user or the password"),
        (("//agent:", "//stranger:"), "does not accept the user or the password"),
        (("/conversations", "/nothing"), "has no such database"),
        (("127.0.0.1", "nowhere.invalid"), "name is not known"),
        (("conversations", "conversations?sslmode=require"), "does not speak TLS"),
    ],
)
async def test_reason_of_a_failed_connection_is_named_without_the_address(
    postgres: PostgresProcess, database_of: DatabaseOf, change: tuple[str, str], reason: str
) -> None:
    error = await failure(database_of(postgres.url.replace(*change)))
    assert isinstance(error, UnavailableError)
    assert reason in error.detail
    for address in (str(postgres.port), "127.0.0.1", "stranger", "nowhere"):
        assert address not in error.detail


@pytest.fixture
async def proxy(postgres: PostgresProcess) -> AsyncIterator[CountingProxy]:
    async with CountingProxy(postgres.port, PostgresWire) as proxy:
        yield proxy


@pytest.mark.promise("heals-by-itself", "bounded")
async def test_server_that_hangs_is_given_up_and_used_again(
    postgres, proxy, database_of, caplog, monkeypatch
):
    database = database_of(proxied(postgres, proxy), most=2)
    threads, checkpoints = ThreadStore(database), Checkpoints(database, Encryption())
    await asyncio.gather(*(threads.open(OWNER, f"t{number}") for number in range(2)))
    monkeypatch.setattr(postgres_database, "SECONDS", 0.2)
    proxy.hang()
    failed = await asyncio.gather(
        *(threads.get(OWNER.thread("t0")) for _ in range(3)),
        threads.begin_run(RunKey(OWNER.thread("t0"), "r"), "p"),
        threads.rename(OWNER.thread("t1"), "Tale"),
        checkpoints.load(RunKey(OWNER.thread("t0"), "r")),
        return_exceptions=True,
    )
    assert {getattr(error, "detail", error) for error in failed} == {
        "PostgreSQL of CONVERSATIONS_URL: it does not respond"
    }
    proxy.go_on()
    monkeypatch.undo()
    assert (await threads.rename(OWNER.thread("t1"), "Tale")).title == "Tale"
    assert not [record.getMessage() for record in caplog.records]


@pytest.mark.promise("heals-by-itself")
async def test_burst_waits_for_a_connection_as_long_as_the_server_responds(database_of, monkeypatch):
    database = database_of(most=1)
    await ThreadStore(database).open(OWNER, "t")
    monkeypatch.setattr(postgres_database, "SECONDS", 4.0)  # a busy machine stops for a second or two
    slow = "SELECT 1 FROM pg_sleep(0.05)"  # 100 of them take longer than that
    found = await asyncio.gather(*(database.read(lambda: query(slow)) for _ in range(100)))
    assert found == [[(1,)]] * 100


@pytest.mark.promise("bounded")
async def test_wait_for_a_connection_has_an_end_with_its_own_reason(database_of, monkeypatch):
    monkeypatch.setattr(postgres_connections, "LONGEST_WAIT", 0.0)
    database = database_of(most=1)
    found = await asyncio.gather(
        *(database.read(lambda: query("SELECT 1")) for _ in range(9)), return_exceptions=True
    )
    refused = [each for each in found if isinstance(each, UnavailableError)]
    assert {(each.code, each.detail) for each in refused} == {
        (
            AgentCode.OVERLOADED,
            "PostgreSQL of CONVERSATIONS_URL: no connection of this process was free in 0 s",
        )
    }


async def test_transaction_at_a_server_that_hangs_is_cancelled_without_it(postgres, proxy, database_of):
    database = database_of(proxied(postgres, proxy), most=1)
    await ThreadStore(database).open(OWNER, "t")
    begun, connections = asyncio.Event(), proxy.accepted

    def work() -> Transaction[None]:
        yield from query("UPDATE threads SET status = 'failed'")
        proxy.hang()
        begun.set()
        yield from query("UPDATE threads SET status = 'paused'")

    running = asyncio.create_task(database.write(work))
    await begun.wait()
    await asyncio.sleep(0)  # it has sent the second statement
    running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await running
    assert proxy.accepted == connections  # nor has it asked the server to cancel the statement
    proxy.go_on()
    assert (await ThreadStore(database).get(OWNER.thread("t"))).status == "idle"


async def test_tables_are_made_by_a_first_transaction_that_has_been_given_up(
    new_url, database_of, monkeypatch
):
    database = database_of(new_url)
    monkeypatch.setattr(postgres_database, "SECONDS", 0.2)
    with psycopg.connect(new_url, autocommit=True) as other:
        other.execute("SELECT pg_advisory_lock(%s)", (_LOCK,))  # another process makes them
        assert "does not respond" in (await failure(database)).detail
    assert database._migration is not None
    await database._migration
    monkeypatch.undo()
    assert await ThreadStore(database).page(OWNER, limit=1) == ([], None)


def proxied(postgres: PostgresProcess, proxy: CountingProxy) -> str:
    return postgres.url.replace(f":{postgres.port}/", f":{proxy.port}/")


async def test_closed_port_is_an_error_at_once(database_of: DatabaseOf) -> None:
    error = await failure(database_of("postgresql://agent@127.0.0.1:1/conversations"))
    assert "does not respond" in error.detail


async def test_list_uses_its_index(postgres: PostgresProcess, database_of: DatabaseOf) -> None:
    database = database_of()
    await ThreadStore(database).open(OWNER)
    with psycopg.connect(postgres.url, autocommit=True, options=f"-c search_path={SCHEMA}") as connection:
        connection.execute(
            "INSERT INTO threads (owner, id, status, last_seq, bytes, created_at, updated_at)"
            " SELECT 'owner-' || n % 20, n, 'idle', 0, 0, n, n FROM generate_series(1, 5000) AS n"
        )
        # The plan is of a table that no other test has filled before.
        connection.execute("VACUUM FULL ANALYZE threads")
        plan = connection.execute(
            "EXPLAIN SELECT id FROM threads WHERE owner = 'owner-1' AND deleted_at IS NULL"
            " AND (updated_at, id) < (4000, 'x') ORDER BY updated_at DESC, id DESC LIMIT 100"
        ).fetchall()
    assert any("threads_listed" in line for [line] in plan), plan


async def test_search_uses_the_index_of_terms(postgres: PostgresProcess, database_of: DatabaseOf) -> None:
    database = database_of()
    await ThreadStore(database).open(OWNER)
    wanted = SearchTerms(Encryption()).wanted("owner", "leave balance")
    [statement] = next(listed_threads("owner", None, wanted, 500))
    with psycopg.connect(postgres.url, autocommit=True, options=f"-c search_path={SCHEMA}") as connection:
        connection.execute(
            "INSERT INTO threads (owner, id, status, last_seq, bytes, created_at, updated_at)"
            " SELECT 'owner', n, 'idle', 0, 0, n, n FROM generate_series(1, 2000) AS n"
        )
        connection.execute(
            "INSERT INTO terms SELECT key, substr(decode(md5(key || '/' || n), 'hex'), 1, 5)"
            " FROM threads, generate_series(1, 50) AS n"
        )
        connection.execute("VACUUM FULL ANALYZE threads, terms")
        explain = f"EXPLAIN {statement.sql.replace('?', '%s')}".encode()
        plan = connection.execute(explain, statement.values).fetchall()
    assert any("terms_pkey" in line for [line] in plan), plan
    assert not any("Seq Scan on terms" in line for [line] in plan), plan


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("postgresql://db.example/c", {"sslmode": "verify-full", "sslrootcert": "system"}),
        ("postgresql://a,db.example/c", {"sslmode": "verify-full", "sslrootcert": "system"}),
        ("postgresql://db.example/c?sslmode=require", {"sslmode": "require"}),
        ("postgresql://db.example/c?sslrootcert=own.pem", {"sslrootcert": "own.pem"}),
        ("postgresql://localhost/c", {}),
        ("postgresql://127.0.0.1/c", {}),
        ("postgresql:///c?host=/run/postgresql", {}),
        ("postgresql:///c", {}),
    ],
)
def test_certificate_of_another_machine_is_verified_unless_the_url_says_otherwise(url, expected):
    found = conninfo_to_dict(conninfo(Secret(url)).reveal())
    assert {name: found[name] for name in ("sslmode", "sslrootcert") if name in found}.items() >= (
        expected.items()
    )
    assert ("sslmode" in found) == bool(expected)


@pytest.mark.parametrize(
    ("url", "own", "authorities"),
    [
        ("postgresql://db.example/c", True, "own.pem"),
        ("postgresql://localhost/c?sslmode=verify-full", True, "own.pem"),
        ("postgresql://localhost/c?sslmode=verify-full", False, "system"),
        ("postgresql://127.0.0.1/c?sslmode=verify-ca", True, "own.pem"),
        (
            "postgresql://db.example/c?sslmode=verify-ca",
            False,
            None,
        ),  # libpq takes `system` with verify-full only
        ("postgresql://db.example/c?sslmode=require", True, "own.pem"),  # libpq verifies it then
        ("postgresql://localhost/c?sslmode=require", True, None),
        ("postgresql://db.example/c?sslmode=require", False, None),
        ("postgresql://localhost/c", True, None),
        ("postgresql://localhost/c?sslmode=verify-full&sslrootcert=theirs.pem", True, "theirs.pem"),
    ],
)
def test_own_authorities_are_trusted_wherever_a_certificate_is_verified(url, own, authorities) -> None:
    found = conninfo_to_dict(conninfo(Secret(url), Path("own.pem") if own else None).reveal())
    assert found.get("sslrootcert") == authorities
