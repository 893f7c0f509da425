"""The whole agent over HTTP: a stop refuses its calls, `GET /rights` shows it, and the process reports."""

import time
from pathlib import Path

import pytest

from agent.operations.revocation.stop_reports import DatabaseReports
from identity.access_token.revocation import STOPPED, Origin, Revocation, Target
from tests.agent.api.threads.served_threads import ThreadsOf
from tests.graph.scripted_model import DONE, calls
from tests.until import until

pytestmark = pytest.mark.promise("stopped-refused")


async def test_agent_refuses_what_is_stopped_and_reports_that_nothing_goes_on(
    threads: ThreadsOf, tmp_path: Path
) -> None:
    weather = calls(("maps_weather", {"city": "Shanghai"}))
    own = str(tmp_path / "revocations")  # the sandbox's is that of all agents of this process
    served = await threads([weather, DONE], ACCESS_IDENTITY="Machine", REVOCATIONS_FILE=own)
    stop = Revocation(Target.CALLS_OF_SERVICE, "amap", Origin.OPERATOR, STOPPED, time.time())
    await served.agent.revocation.put([stop])
    await served.say("go on", "stopped")
    messages = (await served.ask("GET", "/threads/stopped")).json()["messages"]
    [result] = [message["content"] for message in messages if message["role"] == "tool"]
    assert "an operator stopped the service amap" in result
    reports = served.agent.stop_reporter.reports
    assert isinstance(reports, DatabaseReports)

    async def has_reported() -> bool:
        return served.agent.process_id in await reports.of(stop)

    await until(has_reported)
    report = (await reports.of(stop))[served.agent.process_id]
    assert report.calls == []
    assert "amap" in (report.tools or {})
    assert served.agent.process_id in await reports.processes()
