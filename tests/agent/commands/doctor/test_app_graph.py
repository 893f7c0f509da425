"""`doctor` of an agent that runs the graph of an application: the graph, and what its tools call."""

from pathlib import Path

import pytest

from tests.agent.api.threads.app_graphs import EXAMPLES, put_files
from tests.agent.commands.doctor.test_doctor import findings
from tests.suite import Sandbox

PROGRAM = f"{EXAMPLES}/create_agent.py:graph"
BROKEN = "tests.agent.api.threads.app_graphs:broken"


@pytest.fixture
def variables(sandbox: Sandbox, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, str]:
    put_files(sandbox, tmp_path)
    monkeypatch.chdir(tmp_path)
    return sandbox.environment | {"ACCESS_IDENTITY": "Human", "GRAPH": PROGRAM}


async def test_graph_its_credentials_and_its_services_are_checked(
    sandbox: Sandbox, variables: dict[str, str]
) -> None:
    found = await findings(variables, sandbox.access_token("alice"))
    shown = {step: found[step].detail for step in ("graph", "credential of leave", "service leave")}
    assert shown == {
        "graph": "governed tools: 5, services that they call: 1",
        "credential of leave": "obtained as Human",
        "service leave": "the tool leave_balance works",
    }
    assert {found[step].outcome for step in shown} == {"ok"}


async def test_service_of_the_graph_that_does_not_answer_is_named(
    sandbox: Sandbox, variables: dict[str, str], tmp_path: Path
) -> None:
    text = (tmp_path / "services.toml").read_text()
    closed = "https://127.0.0.1:1/leave"
    (tmp_path / "services.toml").write_text(text.replace(sandbox.environment["LEAVE_SERVICE_URL"], closed))
    failure = (await findings(variables, sandbox.access_token("alice")))["service leave"]
    assert (failure.outcome, failure.members()["code"]) == ("failed", "service_failed")


async def test_graph_that_cannot_be_made_is_a_failure_by_type_and_place(
    sandbox: Sandbox, variables: dict[str, str]
) -> None:
    failure = (await findings(variables | {"GRAPH": BROKEN}))["graph"]
    assert failure.outcome == "failed"
    assert "ZeroDivisionError at app_graphs.py" in "\n".join([failure.detail, *failure.lines()])
