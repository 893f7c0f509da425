"""Without PostgreSQL, an agent passes on to Redis what the applications of its machine report in the file."""

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from dataclasses import replace
from pathlib import Path

import pytest

from agent.operations.revocation.database_store import database_store
from agent.operations.revocation.relayed_reports import RelayedReports
from agent.operations.revocation.stop_reports import DatabaseReports, RedisReports, StopReport
from agent.redis import SharedRedis
from graph.call_steps.stops import CallInProgress
from identity.access_token.revocation import STOPPED, Origin, Revocation, Target
from identity.secrets.secret import Secret
from tests.databases.redis_process import RedisProcess

pytestmark = pytest.mark.promise("stopped-refused")

NOW = 1000.0
STOP = Revocation(Target.CALLS_OF_SERVICE, "leave", Origin.OPERATOR, STOPPED, NOW)
APPLIES = CallInProgress("leave", "leave_apply", "alice", "call_1", "write", 990.0)


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
    await application.seen("application")
    await replace(application, clock=lambda: NOW - 40.0).seen("killed")
    await agent.seen("agent")
    assert await operator.processes() == {"agent": 0.0, "application": 0.0, "killed": 40.0}
    await application.gone("application")
    await agent.seen("agent")
    assert await operator.processes() == {"agent": 0.0, "killed": 40.0}


async def test_what_an_application_reports_is_passed_on_when_it_comes(machines: Machines) -> None:
    application, agent, operator = machines.application("a"), machines.agent("a"), machines.agent("b")
    await application.seen("application")
    report = StopReport([APPLIES], {"leave": ["leave_apply"]})

    async def reports(_: float) -> None:
        await application.put(STOP, "application", report)

    agent.sleep = reports
    await agent.put(STOP, "agent", StopReport())
    assert await operator.of(STOP) == {"agent": StopReport([]), "application": report}


async def test_application_that_does_not_report_does_not_answer(machines: Machines) -> None:
    application, agent, operator = machines.application("a"), machines.agent("a"), machines.agent("b")
    await application.seen("application")
    looks: list[float] = []

    async def looked(seconds: float) -> None:
        looks.append(seconds)

    agent.sleep = looked
    await agent.seen("agent")
    await agent.put(STOP, "agent", StopReport())
    assert sum(looks) == pytest.approx(10.0)
    assert set(await operator.of(STOP)) == {"agent"}
    assert set(await operator.processes()) == {"agent", "application"}


async def test_application_beside_the_operator_is_known_without_an_agent(machines: Machines) -> None:
    application, operator = machines.application("a"), machines.agent("a")
    await application.seen("application")
    await application.put(STOP, "application", StopReport([APPLIES]))
    assert await operator.processes() == {"application": 0.0}
    assert await operator.of(STOP) == {"application": StopReport([APPLIES])}


async def test_agent_whose_machine_has_no_application_makes_no_file(machines: Machines) -> None:
    agent = machines.agent("a")
    await agent.seen("agent")
    await agent.put(STOP, "agent", StopReport())
    assert await agent.processes() == {"agent": 0.0}
    await agent.gone("agent")
    assert await agent.processes() == {}
    assert not machines.file("a").exists()


async def test_agent_reports_also_if_the_file_cannot_be_read(machines: Machines) -> None:
    machines.file("a").write_bytes(b"no database" * 1000)
    agent, operator = machines.agent("a"), machines.agent("b")
    await agent.seen("agent")
    await agent.put(STOP, "agent", StopReport())
    assert await operator.processes() == {"agent": 0.0}
    assert await operator.of(STOP) == {"agent": StopReport([])}
