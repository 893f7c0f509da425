"""`idaas-agent stop` and `start`: what is stored, recorded, and said about what goes on."""

import asyncio
import json
import time
from collections.abc import Callable
from contextlib import AsyncExitStack, aclosing
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from agent.operations.revocation.configured import stop_reports
from agent.operations.revocation.database_store import database_store
from agent.operations.revocation.enforcer import RevocationEnforcer
from agent.operations.revocation.redis_store import RedisStore
from agent.operations.revocation.stop_reports import DatabaseReports, StopReporter
from agent.operations.revocation.store import RevocationStore
from agent.redis import SharedRedis
from graph.call_steps.stops import CallInProgress, Stops
from identity.access_token.revocation import STOPPED, Origin, Revocation, Target
from identity.access_token.revocation_list import RevocationList
from identity.audit.trail import AuditTrail
from identity.secrets.secret import Secret
from tests.databases.postgres_process import PostgresProcess
from tests.databases.redis_process import RedisProcess
from tests.every_command import CONFIGURATION, typed
from tests.suite import Sandbox
from tests.until import until

pytestmark = pytest.mark.promise("stopped-refused")

APPLIES = CallInProgress("leave", "leave_apply", "user_alice01", "call_1", "write", 990.0)
APPLIED = "goes on: leave.leave_apply (write) for user_alice01 since 1970-01-01T00:16:30Z, call_1: "


@pytest.fixture
def variables(sandbox: Sandbox, tmp_path: Path) -> dict[str, str]:
    return {
        CONFIGURATION: sandbox.environment[CONFIGURATION],
        "REVOCATIONS_FILE": str(tmp_path / "revocations.sqlite"),
        "AUDIT_LOG_FILE": str(tmp_path / "audit.jsonl"),
    }


def said(words: str, folder: Path, variables: dict[str, str], status: int = 0) -> str:
    """What the command prints, which ends with `status`."""
    found, output = typed(words, folder, variables)
    assert found == status, output
    return output


def stops(words: str, folder: Path, variables: dict[str, str]) -> str:
    """What `stop` prints where no process lives, which is not confirmed."""
    return said(f"stop {words} --wait 0", folder, variables, status=3)


def records(folder: Path) -> list[dict[str, Any]]:
    lines = (folder / "audit.jsonl").read_text("utf-8").splitlines()
    return [record for record in map(json.loads, lines) if record["event"].startswith("calls_")]


@pytest.mark.parametrize(
    ("named", "text"), [("--tool leave_apply", "the tool leave_apply"), ("--all", "all calls")]
)
def test_what_is_stopped_is_listed_until_it_is_started(
    tmp_path: Path, variables: dict[str, str], named: str, text: str
) -> None:
    assert f"stopped: {text}" in stops(named, tmp_path, variables)
    assert text in said("stop --list", tmp_path, variables)
    assert "no revocation is in force" in said("revoke --list", tmp_path, variables)
    assert f"started: {text}" in said(f"start {named}", tmp_path, variables)
    assert "nothing is stopped" in said("stop --list", tmp_path, variables)


def test_start_names_what_is_still_stopped(tmp_path: Path, variables: dict[str, str]) -> None:
    stops("--all", tmp_path, variables)
    stops("--tool leave_apply", tmp_path, variables)
    assert "still stopped: all calls" in said("start --tool leave_apply", tmp_path, variables)


def test_who_stops_and_why_is_on_record_before_and_after_it_is_stored(
    tmp_path: Path, variables: dict[str, str]
) -> None:
    stops("--tool leave_apply --reason INC-4711", tmp_path, variables)
    said("start --tool leave_apply", tmp_path, variables)
    lines = records(tmp_path)
    assert [(line["event"], line["outcome"]) for line in lines] == [
        ("calls_stopped", "started"),
        ("calls_stopped", "succeeded"),
        ("calls_started", "started"),
        ("calls_started", "succeeded"),
    ]
    assert {line["tool"] for line in lines} == {"leave_apply"}
    assert lines[0]["reason"].endswith(": INC-4711")
    assert {line["client"] for line in lines} == {"operator"}


@pytest.mark.parametrize(
    ("named", "name", "recorded"),
    [
        ("leave", "leave", lambda line: line["service"]),
        ("--user user_alice01", "user_alice01", lambda line: line["principal"]["sub"]),
    ],
)
def test_name_that_is_not_known_here_is_stopped_and_the_status_says_so(
    tmp_path: Path, variables: dict[str, str], named: str, name: str, recorded: Callable[[Any], str]
) -> None:
    stops("--all", tmp_path, variables)  # there is a log, which names no user
    output = said(f"stop {named} --wait 0", tmp_path, variables, status=1)
    assert name in output
    assert name in said("stop --list", tmp_path, variables)
    assert recorded(records(tmp_path)[-1]) == name


def test_start_counts_although_the_clock_of_who_stopped_was_ahead(
    tmp_path: Path, variables: dict[str, str]
) -> None:
    ahead = time.time() + 3_600.0

    async def stop() -> None:
        async with aclosing(database_store(Path(variables["REVOCATIONS_FILE"]), None, None)) as store:
            await store.put([Revocation(Target.ALL_CALLS, "", Origin.OPERATOR, STOPPED, ahead)])

    asyncio.run(stop())
    said("start --all", tmp_path, variables)
    assert "nothing is stopped" in said("stop --list", tmp_path, variables)


@pytest.mark.parametrize(
    "words",
    [
        "stop",
        "stop leave --all",
        "stop --user a --tool b",
        "start",
        "start leave",
        f"stop --all --reason {'x' * 201}",
        f"stop {'x' * 256}",
        "stop leave/leave.write",
        "stop --tool leave/leave.write.leave_apply",
    ],
)
def test_invalid_command_changes_nothing(tmp_path: Path, variables: dict[str, str], words: str) -> None:
    output = said(words, tmp_path, variables, status=1)
    assert "Traceback" not in output
    assert not (tmp_path / "revocations.sqlite").exists()


class Applying(Stops):
    """Stops of a process in which one call goes on."""

    def going_on(self, _stop: Revocation) -> Any:
        return [APPLIES]


TOOLS = {"leave": ["leave_balance"], "leave/leave.write": ["leave_apply"]}


class Replica:
    """A process that follows a database, has `tools`, and reports what goes on. With `redis` it is an agent,
    without it an application.
    """

    def __init__(
        self,
        file: Path | None,
        url: str | None,
        tools: dict[str, list[str]],
        redis: SharedRedis | None = None,
        process_id: str = "first",
    ) -> None:
        revocations = RevocationList()
        store = database_store(file, Secret(url) if url else None, None)
        stores: list[RevocationStore] = [store]
        if redis is not None:
            stores.append(RedisStore(redis, lasts=True))
        self.process_id = process_id
        self.reports = stop_reports(stores, redis, time.time)
        stops = Applying(revocations, time.time)
        self.reporter = StopReporter(
            stops, self.reports, process_id, clock=time.time, tools=lambda: tools, is_agent=False
        )
        revocations.listeners.append(self.reporter.heard)
        self.enforcer = RevocationEnforcer(
            revocations,
            stores,
            forget_users=lambda _: 0,
            end_runs=lambda *_: 0,
            audit=AuditTrail(),
            issuer="https://idaas.example",
        )

    async def start(self) -> None:
        """Returns when the process is known to live."""
        await self.enforcer.start()
        self.reporter.start()
        await until(self._is_known)

    async def _is_known(self) -> bool:
        return self.process_id in await self.reports.processes()

    async def aclose(self) -> None:
        await self.reporter.aclose()
        await self.enforcer.aclose()


@pytest.fixture(params=["file", "postgres"])
def shared(request: pytest.FixtureRequest, variables: dict[str, str]) -> dict[str, str]:
    """The variables of the operator and of the agents, for each place of revocations."""
    if request.param == "file":
        return variables
    given = {name: value for name, value in variables.items() if name != "REVOCATIONS_FILE"}
    return given | {"CONVERSATIONS_URL": request.getfixturevalue("postgres").url}


def replica(shared: dict[str, str], tools: dict[str, list[str]] = TOOLS) -> Replica:
    file = shared.get("REVOCATIONS_FILE")
    return Replica(Path(file) if file else None, shared.get("CONVERSATIONS_URL"), tools)


WAITS = "--wait 50"
"""The command ends as soon as all have answered."""


async def test_stop_is_confirmed_when_every_process_has_answered_which_names_what_goes_on(
    tmp_path: Path, shared: dict[str, str]
) -> None:
    async with aclosing(replica(shared)) as process:
        await process.start()
        for _ in range(2):
            output = await asyncio.to_thread(said, f"stop --all {WAITS}", tmp_path, shared)
            assert "in force in 1 process that answered" in output
            assert APPLIED in output
            assert "no answer" not in output


async def test_without_postgresql_an_application_answers_by_the_agent_of_its_machine(
    sandbox: Sandbox, tmp_path: Path, variables: dict[str, str], redis: RedisProcess
) -> None:
    file, audience = tmp_path / "machine.sqlite", sandbox.environment["AGENT_AUDIENCE"]
    of_operator = variables | {"REDIS_URL": redis.url, "AGENT_AUDIENCE": audience}
    async with AsyncExitStack() as opened:
        shared_redis = SharedRedis(Secret(redis.url), audience=audience)
        opened.push_async_callback(shared_redis.aclose)
        application = Replica(file, None, TOOLS, process_id="application")
        agent = Replica(file, None, TOOLS, shared_redis, process_id="agent")
        for process in (application, agent):
            await process.start()
            opened.push_async_callback(process.aclose)
        output = await asyncio.to_thread(said, f"stop --all {WAITS}", tmp_path, of_operator)
    assert "in force in 2 processes that answered" in output
    assert output.count(APPLIED) == 2
    assert "a machine without an agent is not reached" in output


async def test_command_says_where_a_stop_is_of_one_machine(tmp_path: Path, shared: dict[str, str]) -> None:
    is_file = "REVOCATIONS_FILE" in shared
    output = await asyncio.to_thread(stops, "--all", tmp_path, shared)
    assert ("other machines are not reached" in output) is is_file


async def test_command_names_the_processes_that_have_not_answered(
    tmp_path: Path, shared: dict[str, str]
) -> None:
    async with aclosing(replica(shared)) as process:
        await process.start()
        assert isinstance(process.reports, DatabaseReports)
        earlier = replace(process.reports, clock=lambda: time.time() - 40.0)
        await earlier.seen("second")
        unconfirmed = partial(said, status=3)
        output = await asyncio.to_thread(unconfirmed, "stop --all --wait 0", tmp_path, shared)
    assert "no answer within 0 s: process second, which was seen 4" in " ".join(output.split())


async def test_process_that_has_ended_is_not_waited_for(tmp_path: Path, shared: dict[str, str]) -> None:
    process = replica(shared)
    await process.start()
    await process.aclose()
    output = await asyncio.to_thread(stops, "--all", tmp_path, shared)
    assert "no process was seen within an hour" in output


@pytest.mark.parametrize(
    ("words", "text"),
    [
        ("leav", "no process that answered has a service 'leav': leave "),
        ("leave_apply", "no process that answered has a service 'leave_apply': leave "),
        ("--tool leave_aply", "no process that answered has a tool 'leave_aply': leave_apply"),
        ("--tool expenses.leave_apply", "no process that answered has a tool 'expenses.leave_apply'"),
    ],
)
async def test_name_that_no_process_has_is_told_and_stopped(
    tmp_path: Path, shared: dict[str, str], words: str, text: str
) -> None:
    async with aclosing(replica(shared)) as process:
        await process.start()
        unknown = partial(said, status=1)
        output = await asyncio.to_thread(unknown, f"stop {words} {WAITS}", tmp_path, shared)
    assert text in " ".join(output.split()) + " "
    listed = await asyncio.to_thread(said, "stop --list", tmp_path, shared)
    assert words.removeprefix("--tool ") in listed


@pytest.mark.parametrize(
    ("words", "status"), [("--tool maps_weather", 0), ("--tool amap.maps_weather", 0), ("--tool leave.x", 1)]
)
async def test_tool_is_not_unknown_before_its_server_has_listed_its_tools(
    tmp_path: Path, variables: dict[str, str], words: str, status: int
) -> None:
    async with aclosing(replica(variables, {**TOOLS, "amap": []})) as process:
        await process.start()
        ends = partial(said, status=status)
        output = await asyncio.to_thread(ends, f"stop {words} {WAITS}", tmp_path, variables)
    assert ("amap has not listed its tools yet" in output) is (status == 0)


@pytest.mark.parametrize("words", ["leave", "--tool leave_apply", "--tool leave.leave_apply"])
async def test_name_that_a_process_has_is_confirmed(
    tmp_path: Path, shared: dict[str, str], words: str
) -> None:
    async with aclosing(replica(shared)) as process:
        await process.start()
        await asyncio.to_thread(said, f"stop {words} {WAITS}", tmp_path, shared)


def test_with_a_graph_of_its_own_a_name_is_not_known_before_a_process_has_told(
    tmp_path: Path, variables: dict[str, str]
) -> None:
    (tmp_path / "own.py").write_text("graph = None\n")
    output = stops("leave", tmp_path, variables | {"GRAPH": f"{tmp_path}/own.py:graph"})
    assert "whether there is the service leave is not known" in output


def test_stop_that_no_process_is_known_to_have_heard_is_not_confirmed(
    tmp_path: Path, variables: dict[str, str], postgres: PostgresProcess
) -> None:
    given = {name: value for name, value in variables.items() if name != "REVOCATIONS_FILE"}
    given["CONVERSATIONS_URL"] = postgres.url
    output = said("stop --all --wait 0", tmp_path, given, status=3)
    assert "no process was seen within an hour" in output
