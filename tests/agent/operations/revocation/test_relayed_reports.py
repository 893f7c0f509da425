"""Without PostgreSQL, an agent passes on to Redis what the applications of its machine report in the file."""

import json
import math
from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack
from dataclasses import asdict, replace
from pathlib import Path

import pytest

from agent.conversations.database.database import query
from agent.operations.revocation.database_store import database_store
from agent.operations.revocation.relayed_reports import RelayedReports
from agent.operations.revocation.stop_reports import DatabaseReports, RedisReports, StopReport
from agent.operations.revocation.store import StoreError
from agent.redis import SharedRedis
from graph.call_steps.stops import CallInProgress
from identity.access_token.revocation import STOPPED, Origin, Revocation, Target
from identity.secrets.secret import Secret
from tests.databases.redis_process import RedisProcess

pytestmark = pytest.mark.promise("stopped-refused")

NOW = 1000.0
STOP = Revocation(Target.CALLS_OF_SERVICE, "leave", Origin.OPERATOR, STOPPED, NOW)
APPLIES = CallInProgress("leave", "leave_apply", "alice", "call_1", "write", 990.0)


class UnreadableReports(DatabaseReports):
    """Those of a file that another process keeps locked."""

    async def processes(self) -> Mapping[str, float]:
        raise StoreError("the database is locked")

    async def of(self, _: Revocation) -> Mapping[str, StopReport]:
        raise StoreError("the database is locked")


class Machines:
    """Machines that share a Redis, each with a file of its own."""

    def __init__(self, folder: Path, server: RedisProcess, opened: AsyncExitStack) -> None:
        self._folder = folder
        self._opened = opened
        self._redis = SharedRedis(Secret(server.url), audience="https://agent.example")
        opened.push_async_callback(self._redis.aclose)

    def file(self, machine: str) -> Path:
        return self._folder / machine

    def application(self, machine: str) -> DatabaseReports:
        """The reports of an application."""
        store = database_store(self.file(machine), None, None)
        self._opened.push_async_callback(store.aclose)
        return DatabaseReports(store.database, lambda: NOW, shared=False)

    def agent(self, machine: str) -> RelayedReports:
        """The reports of an agent, or of the command of an operator."""
        return RelayedReports(RedisReports(self._redis, lambda: NOW), self.application(machine))


@pytest.fixture
async def machines(tmp_path: Path, redis: RedisProcess) -> AsyncIterator[Machines]:
    async with AsyncExitStack() as opened:
        yield Machines(tmp_path, redis, opened)


async def test_application_is_known_on_all_machines_until_it_records_its_end(machines: Machines) -> None:
    application, agent, operator = machines.application("a"), machines.agent("a"), machines.agent("b")
    await application.seen("app")
    await replace(application, clock=lambda: NOW - 40.0).seen("killed")
    await agent.seen("agent")
    assert await operator.processes() == {"agent": 0.0, "application app": 0.0, "application killed": 40.0}
    await application.gone("app")
    await agent.seen("agent")
    assert await operator.processes() == {"agent": 0.0, "application killed": 40.0}


async def test_what_an_application_reports_is_passed_on_when_it_comes(machines: Machines) -> None:
    application, agent, operator = machines.application("a"), machines.agent("a"), machines.agent("b")
    await application.seen("app")
    report = StopReport([APPLIES], {"leave": ["leave_apply"]})

    async def reports(_: float) -> None:
        await application.put(STOP, "app", report)

    agent.sleep = reports
    await agent.put(STOP, "agent", StopReport())
    assert await operator.of(STOP) == {"agent": StopReport([]), "application app": report}


async def test_application_that_does_not_report_does_not_answer(machines: Machines) -> None:
    application, agent, operator = machines.application("a"), machines.agent("a"), machines.agent("b")
    await application.seen("app")
    looks: list[float] = []

    async def looked(seconds: float) -> None:
        looks.append(seconds)

    agent.sleep = looked
    await agent.seen("agent")
    await agent.put(STOP, "agent", StopReport())
    assert sum(looks) == pytest.approx(10.0)
    assert set(await operator.of(STOP)) == {"agent"}
    assert set(await operator.processes()) == {"agent", "application app"}


async def test_application_beside_the_operator_is_known_without_an_agent(machines: Machines) -> None:
    application, operator = machines.application("a"), machines.agent("a")
    await application.seen("app")
    await application.put(STOP, "app", StopReport([APPLIES]))
    assert await operator.processes() == {"application app": 0.0}
    assert await operator.of(STOP) == {"application app": StopReport([APPLIES])}


async def test_agent_whose_machine_has_no_application_makes_no_file(machines: Machines) -> None:
    agent = machines.agent("a")
    await agent.seen("agent")
    await agent.put(STOP, "agent", StopReport())
    assert await agent.processes() == {"agent": 0.0}
    await agent.gone("agent")
    assert await agent.processes() == {}
    assert not machines.file("a").exists()


async def not_waited(_: float) -> None:
    """Looks again at once."""


async def test_agent_reports_also_if_the_file_cannot_be_read(machines: Machines) -> None:
    machines.file("a").write_bytes(b"no database" * 1000)
    agent, operator = machines.agent("a"), machines.agent("b")
    agent.sleep = not_waited
    with pytest.raises(StoreError):
        await agent.seen("agent")
    await agent.put(STOP, "agent", StopReport())
    assert await operator.processes() == {"agent": 0.0}
    assert await operator.of(STOP) == {"agent": StopReport([])}


async def test_application_whose_file_cannot_be_read_any_more_still_counts_as_living(
    machines: Machines,
) -> None:
    agent, operator = machines.agent("a"), machines.agent("b")
    await machines.application("a").seen("app")
    await agent.seen("agent")
    agent.local = UnreadableReports(agent.local.database, agent.local.clock, shared=False)
    agent.sleep = not_waited
    with pytest.raises(StoreError):
        await agent.seen("agent")
    await agent.put(STOP, "agent", StopReport())
    assert set(await operator.processes()) == {"agent", "application app"}
    assert set(await operator.of(STOP)) == {"agent"}
    with pytest.raises(StoreError):
        await agent.processes()


async def test_who_writes_to_the_file_does_not_speak_for_an_agent(machines: Machines) -> None:
    forger, agent, operator = machines.application("a"), machines.agent("a"), machines.agent("b")
    await agent.shared.put(STOP, "other agent", StopReport([APPLIES]))
    await agent.shared.seen("other agent")
    await forger.seen("other agent")
    await forger.put(STOP, "other agent", StopReport())
    await agent.seen("agent")
    await agent.put(STOP, "agent", StopReport())
    await forger.gone("other agent")
    await agent.seen("agent")
    assert set(await operator.processes()) == {"agent", "other agent"}
    assert (await operator.of(STOP))["other agent"] == StopReport([APPLIES])


@pytest.mark.parametrize(
    "insert",
    [
        "INSERT INTO processes (id, seen_at) VALUES ('x', 'y')",
        "INSERT INTO processes (id, seen_at) VALUES (NULL, 1000.0)",
        "INSERT INTO processes (id, seen_at) VALUES (x'ff', 1000.0)",
        "INSERT INTO processes (id, seen_at) VALUES (hex(zeroblob(99)), 1000.0)",
    ],
)
async def test_process_that_no_process_has_written_is_left_out(machines: Machines, insert: str) -> None:
    application, agent = machines.application("a"), machines.agent("a")
    await application.seen("app")
    await application.database.write(lambda: query(insert))
    await agent.seen("agent")
    assert set(await machines.agent("b").processes()) == {"agent", "application app"}


@pytest.mark.parametrize(
    "report",
    [
        "no JSON",
        "[" * 100_000,
        '{"calls": [], "tools": {"leave": 5}}',
        '{"calls": [], "tools": null, "x": "' + "a" * 1_000_000 + '"}',
        json.dumps([asdict(replace(APPLIES, began_at=math.nan))]),
        json.dumps([asdict(APPLIES)]).replace("990.0", "1e999"),
        json.dumps([asdict(APPLIES)]).replace("990.0", '"x"'),
    ],
)
async def test_report_that_no_process_has_written_is_no_answer(machines: Machines, report: str) -> None:
    application, agent = machines.application("a"), machines.agent("a")
    for process in ("bad", "good"):
        await application.seen(process)
        await application.put(STOP, process, StopReport())
    change = "UPDATE stop_reports SET calls = ? WHERE process_id = 'bad'"
    await application.database.write(lambda: query(change, report))
    agent.sleep = not_waited
    await agent.put(STOP, "agent", StopReport())
    assert set(await machines.agent("b").of(STOP)) == {"agent", "application good"}


async def test_more_applications_than_a_machine_has_are_not_passed_on(machines: Machines) -> None:
    application, agent = machines.application("a"), machines.agent("a")
    many = (
        "INSERT INTO processes (id, seen_at)"
        " WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 1001)"
        " SELECT 'p' || i, 1000.0 FROM n"
    )
    await application.seen("app")
    await application.database.write(lambda: query(many))
    with pytest.raises(StoreError, match="1,000"):
        await agent.seen("agent")
    assert set(await machines.agent("b").processes()) == {"agent"}
