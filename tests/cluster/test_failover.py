"""A failover of PostgreSQL to a standby that has everything or lacks the latest, and what agents do then."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from typing import Any

import httpx
import psycopg
import pytest

from agent.conversations.database.postgres_connections import PostgresConnections, conninfo
from agent.conversations.database.postgres_database import PostgresDatabase
from agent.operations.revocation.database_store import DatabaseStore
from cluster.balancer import Balancer
from identity.access_token.revocation import Origin, Revocation, Target
from identity.secrets.secret import Secret
from tests.agent.conftest import AgentServer, running_agent
from tests.agent.operations.revocation.test_revocation_over_http import accepted, change
from tests.agent.operations.revocation.test_stores import ALICE, at_once, ended, read
from tests.conftest import Sandbox
from tests.databases.postgres_process import (
    PostgresProcess,
    PostgresStandby,
    postgres_process,
    postgres_standby,
)


@dataclass
class Pair:
    """A primary and its standby, behind one address."""

    primary: PostgresProcess
    standby: PostgresStandby
    balancer: Balancer

    @property
    def url(self) -> str:
        """The address of whichever is in service."""
        return self.primary.url.replace(str(self.primary.port), str(self.balancer.port))

    async def fail_over(self) -> None:
        """The standby is in service, so soon that no request fails for long, and the primary is gone."""
        await asyncio.to_thread(self.standby.promote)
        self.balancer.switch(self.standby.port)
        await asyncio.to_thread(self.primary.stop)


@pytest.fixture
async def pair() -> AsyncIterator[Pair]:
    with ExitStack() as servers:
        primary = await asyncio.to_thread(servers.enter_context, postgres_process())
        standby = await asyncio.to_thread(servers.enter_context, postgres_standby(primary))
        async with Balancer([primary.port]) as balancer:
            yield Pair(primary, standby, balancer)


@pytest.fixture
def stack() -> Iterator[ExitStack]:
    with ExitStack() as stack:
        yield stack


async def executed(url: str, sql: str) -> list[Any]:
    async with await psycopg.AsyncConnection.connect(url, autocommit=True) as connection:
        cursor = await connection.execute(sql.encode())
        return await cursor.fetchall() if cursor.description else []


@pytest.mark.parametrize(("cut_off", "rows"), [(True, [(1,)]), (False, [(1,), (2,)])])
async def test_standby_has_what_was_written_until_it_was_cut_off(
    pair: Pair, cut_off: bool, rows: Any
) -> None:
    await executed(pair.url, "CREATE TABLE written AS SELECT 1 AS number")
    await asyncio.to_thread(pair.standby.catch_up, pair.primary)
    if cut_off:
        await asyncio.to_thread(pair.standby.cut_off)
    await executed(pair.url, "INSERT INTO written VALUES (2)")
    if not cut_off:
        await asyncio.to_thread(pair.standby.catch_up, pair.primary)
    await pair.fail_over()
    await executed(pair.url, "CREATE TABLE accepts_writes ()")
    assert await executed(pair.url, "SELECT number FROM written ORDER BY number") == rows


async def test_connection_is_cut_when_the_address_is_switched(pair: Pair) -> None:
    async with await psycopg.AsyncConnection.connect(pair.url) as connection:
        await pair.fail_over()
        with pytest.raises(psycopg.OperationalError):
            await connection.execute("SELECT 1")


async def started(stack: ExitStack, sandbox: Sandbox, pair: Pair) -> AgentServer:
    """In a thread: the balancer is in this one."""
    variables = {"ACCESS_IDENTITY": "Human", "MAX_REQUESTS_PER_MINUTE": "0", "CONVERSATIONS_URL": pair.url}
    return await asyncio.to_thread(stack.enter_context, running_agent(sandbox, **variables))


async def until_ready(agent: AgentServer) -> None:
    """Returns when the agent has no failure."""
    async with httpx.AsyncClient() as http, asyncio.timeout(60):
        while (await http.get(f"{agent.url}/ready")).json()["status"] != "ready":
            pass


@pytest.mark.promise("revoked-refused")
async def test_acknowledged_revocation_outlasts_a_failover_that_lost_it(
    sandbox: Sandbox, pair: Pair, stack: ExitStack
) -> None:
    """And whose number another revocation has taken before the agents were connected again."""
    first, second = await started(stack, sandbox, pair), await started(stack, sandbox, pair)
    alice, bob = first.headers(), first.headers("bob")
    for agent in (first, second):
        await accepted(agent, alice, 200)
    await asyncio.to_thread(pair.standby.catch_up, pair.primary)
    await asyncio.to_thread(pair.standby.cut_off)
    sandbox.cloud.user_events_url = f"{first.url}/events/idaas"
    reported = await change(sandbox, "disable")
    assert [len(events) for events in reported.values()] == [1, 0, 0, 0]
    await asyncio.to_thread(pair.standby.promote)
    await revoked(pair.standby, "user_bob01", sandbox.clock())
    await pair.fail_over()
    for agent in (first, second):
        await accepted(agent, alice, 401)
        await accepted(agent, bob, 401)
    await until_ready(first)
    names = "SELECT name FROM idaas_agent.revocations ORDER BY name"
    assert await executed(pair.url, names) == [("user_alice01",), ("user_bob01",)]
    assert sum(first.agent.measures.revocations_lost.values.values()) == 1


async def test_revocations_are_read_anew_from_another_server_that_has_the_same(pair: Pair) -> None:
    database = PostgresDatabase(PostgresConnections(conninfo(Secret(pair.url)), most=1))
    store = DatabaseStore(database, "PostgreSQL", shared=True, sleep=at_once)
    await store.put([ALICE])
    changes = store.changes()
    assert await read(changes) == {ALICE}
    await asyncio.to_thread(pair.standby.catch_up, pair.primary)
    await pair.fail_over()
    await ended(changes)
    await store.aclose()


async def revoked(server: PostgresProcess, subject: str, now: float) -> None:
    """As `idaas-agent revoke` does, on a machine that was switched before."""
    database = PostgresDatabase(PostgresConnections(conninfo(Secret(server.url)), most=1))
    store = DatabaseStore(database, "PostgreSQL", shared=True)
    await store.put([Revocation(Target.USER, subject, Origin.OPERATOR, now, now)])
    await store.aclose()
