"""A failover of PostgreSQL to a standby that has everything or lacks the latest, and what agents do then."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import ExitStack
from functools import partial
from typing import Any

import httpx
import psycopg
import pytest

from agent.conversations.database.postgres_connections import PostgresConnections, conninfo
from agent.conversations.database.postgres_database import PostgresDatabase
from agent.operations.revocation.database_store import DatabaseStore
from cluster.replicated_postgres import ReplicatedPostgres, replicated_postgres
from identity.access_token.revocation import Origin, Revocation, Target
from identity.secrets.secret import Secret
from tests.agent.conftest import AgentServer, running_agent
from tests.agent.operations.revocation.test_revocation_over_http import accepted, change
from tests.agent.operations.revocation.test_stores import ALICE, at_once, ended, read
from tests.databases.postgres_process import PostgresProcess
from tests.suite import Sandbox
from tests.until import until


@pytest.fixture
async def database() -> AsyncIterator[ReplicatedPostgres]:
    async with replicated_postgres() as database:
        await database.add_standby()
        yield database


@pytest.fixture
def stack() -> Iterator[ExitStack]:
    with ExitStack() as stack:
        yield stack


async def executed(url: str, sql: str) -> list[Any]:
    async with await psycopg.AsyncConnection.connect(url, autocommit=True) as connection:
        cursor = await connection.execute(sql.encode())
        return await cursor.fetchall() if cursor.description else []


async def numbers(database: ReplicatedPostgres) -> list[Any]:
    return await executed(database.url, "SELECT number FROM written ORDER BY number")


async def test_standby_has_everything_that_was_committed(database: ReplicatedPostgres) -> None:
    await executed(database.url, "CREATE TABLE written AS SELECT generate_series(1, 100000) AS number")
    await database.fail_over()
    assert len(await numbers(database)) == 100_000
    await executed(database.url, "INSERT INTO written VALUES (0)")


async def test_standby_that_lags_lacks_what_is_committed_in_the_moment_before(
    database: ReplicatedPostgres,
) -> None:
    await executed(database.url, "CREATE TABLE written AS SELECT 1 AS number")
    await asyncio.to_thread(database.standby.catch_up, database.primary)
    await database.fail_over_without(partial(executed, database.url, "INSERT INTO written VALUES (2)"))
    assert await numbers(database) == [(1,)]
    await executed(database.url, "INSERT INTO written VALUES (3)")


async def test_next_failover_is_to_a_copy_of_the_server_in_service(database: ReplicatedPostgres) -> None:
    await executed(database.url, "CREATE TABLE written AS SELECT 1 AS number")
    for number in (2, 3):
        await database.add_standby()
        await asyncio.to_thread(database.standby.catch_up, database.primary)
        await database.fail_over_without(partial(asyncio.sleep, 0))
        await executed(database.url, f"INSERT INTO written SELECT {number}")
    await database.add_standby()
    await database.fail_over()
    assert await numbers(database) == [(1,), (2,), (3,)]


async def test_connection_is_cut_when_the_address_is_switched(database: ReplicatedPostgres) -> None:
    failed = database.primary
    async with await psycopg.AsyncConnection.connect(database.url) as connection:
        await database.fail_over()
        with pytest.raises(psycopg.OperationalError):
            await connection.execute("SELECT 1")
    with pytest.raises(psycopg.OperationalError):
        await executed(failed.url, "SELECT 1")


async def started(stack: ExitStack, sandbox: Sandbox, database: ReplicatedPostgres) -> AgentServer:
    """In a thread: the balancer is in this one."""
    variables = {
        "ACCESS_IDENTITY": "Human",
        "MAX_REQUESTS_PER_MINUTE": "0",
        "CONVERSATIONS_URL": database.url,
    }
    return await asyncio.to_thread(stack.enter_context, running_agent(sandbox, **variables))


async def until_ready(agent: AgentServer) -> None:
    """Returns when the agent has no failure."""
    async with httpx.AsyncClient() as http:

        async def is_ready() -> bool:
            shown = await http.get(f"{agent.url}/ready")
            return bool(shown.json()["status"] == "ready")

        await until(is_ready)


@pytest.mark.promise("revoked-refused")
async def test_acknowledged_revocation_outlasts_a_failover_that_lost_it(
    sandbox: Sandbox, database: ReplicatedPostgres, stack: ExitStack
) -> None:
    """And whose number another revocation has taken before the agents were connected again."""
    first, second = await started(stack, sandbox, database), await started(stack, sandbox, database)
    alice, bob = first.headers(), first.headers("bob")
    for agent in (first, second):
        await accepted(agent, alice, 200)
    await asyncio.to_thread(database.standby.catch_up, database.primary)
    sandbox.cloud.user_events_url = f"{first.url}/events/idaas"

    async def disable() -> None:
        reported = await change(sandbox, "disable")
        assert [len(events) for events in reported.values()] == [1, 0, 0, 0]
        # The standby is in service before the primary is gone, so that no query of the agents fails.
        await asyncio.to_thread(database.standby.promote)
        await revoked(database.standby, "user_bob01", sandbox.clock())
        database.balancer.switch(database.standby.port)

    await database.fail_over_without(disable)
    for agent in (first, second):
        await accepted(agent, alice, 401)
        await accepted(agent, bob, 401)
    await until_ready(first)
    names = "SELECT name FROM idaas_agent.revocations ORDER BY name"
    assert await executed(database.url, names) == [("user_alice01",), ("user_bob01",)]
    # Whoever notices first writes it back, and the other may find it there.
    lost = [sum(agent.agent.measures.revocations.lost.values.values()) for agent in (first, second)]
    assert sorted(lost) in ([0, 1], [1, 1])


async def test_revocations_are_read_anew_from_another_server_that_has_the_same(
    database: ReplicatedPostgres,
) -> None:
    shared = PostgresDatabase(PostgresConnections(conninfo(Secret(database.url)), most=1))
    store = DatabaseStore(shared, "PostgreSQL", shared=True, sleep=at_once)
    await store.put([ALICE])
    changes = store.changes()
    assert await read(changes) == {ALICE}
    await asyncio.to_thread(database.standby.catch_up, database.primary)
    await asyncio.to_thread(database.standby.promote)
    database.balancer.switch(database.standby.port)
    await ended(changes)
    await store.aclose()


async def revoked(server: PostgresProcess, subject: str, now: float) -> None:
    """As `idaas-agent revoke` does, on a machine that was switched before."""
    database = PostgresDatabase(PostgresConnections(conninfo(Secret(server.url)), most=1))
    store = DatabaseStore(database, "PostgreSQL", shared=True)
    await store.put([Revocation(Target.USER, subject, Origin.OPERATOR, now, now)])
    await store.aclose()
