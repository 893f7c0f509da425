"""`examples/library/deep_agents.py` by itself, and unchanged under the server."""

import json
from pathlib import Path
from typing import Any

import pytest
from langchain_core.messages import AIMessage, ToolMessage

from idaas_agent import Identity
from tests.agent.api.threads import app_graphs
from tests.agent.api.threads.app_graphs import module_of
from tests.agent.api.threads.approval_surfaces import OF_THE_CORE, ApprovalSurface
from tests.agent.api.threads.served_threads import AppOf
from tests.agent.api.threads.test_app_graph import APPLY, BALANCE_AND_APPLY, waits_without_secrets
from tests.agent.api.threads.test_approval_answers import asked, ended
from tests.databases.postgres_process import PostgresProcess
from tests.end_to_end.test_app_graph_replicas import result_at_another_replica
from tests.every_surface import of_plugins
from tests.graph.scripted_model import DONE, calls
from tests.leave_application import LEAVE
from tests.library.called_app import ScriptedChat, call
from tests.library.test_examples import FOLDER, signed_in
from tests.suite import Sandbox

__all__ = ["signed_in"]

GIVEN = {"description": "Apply for leave.", "subagent_type": "leave"}
TASK = calls(("task", GIVEN))
SURFACES = [*OF_THE_CORE, *of_plugins("DECISIONS")]


async def deep_agents(identity: Identity, checkpointer: Any) -> Any:
    """What GRAPH names here: that of the program, with a scripted model."""
    return await module_of("deep_agents").graph(identity, checkpointer, app_graphs.MODEL)


GRAPH = f"{__name__}:deep_agents"


@pytest.mark.parametrize(("answer", "status"), [("y", "success"), ("n", "error")])
async def test_program_asks_for_its_sub_agent_and_writes_once(
    answer: str, status: str, signed_in: None, sandbox: Sandbox
) -> None:
    turns = [
        AIMessage("", tool_calls=[call("task", "call_1", **GIVEN)]),
        AIMessage("", tool_calls=[call("leave_balance", "call_1"), call("leave_apply", "call_2", **LEAVE)]),
        AIMessage("", tool_calls=[call("leave_applications", "call_1")]),
        AIMessage("Applied."),
        AIMessage("Done."),
    ]
    model, questions = ScriptedChat(turns=turns), []
    sandbox.cloud.counters.reset()

    def person(question: str) -> str:
        questions.append(question)
        return answer

    assert await module_of("deep_agents").answered("Apply for leave.", model, person) == "Done."
    assert len(questions) == 1
    assert "It would use the rights of" in questions[0]
    of_sub_agent = [message for message in model.asked[3] if isinstance(message, ToolMessage)]
    assert [message.status for message in of_sub_agent] == ["success", status, "success"]
    assert str(of_sub_agent[-1].text).count(LEAVE["first_day"]) == (1 if answer == "y" else 0)
    counted = sandbox.cloud.counters.snapshot()
    assert [count for name, count in counted.items() if "exchange" in name] == [1]


def test_program_has_at_most_sixty_lines_and_marks_what_was_added() -> None:
    lines = (FOLDER / "deep_agents.py").read_text().splitlines()
    assert len(lines) <= 60
    assert 0 < sum(line.endswith("  # identity") for line in lines) <= 9


@pytest.mark.promise("approval-binds")
@pytest.mark.parametrize("surface", SURFACES, ids=lambda surface: surface.name)
async def test_question_of_its_sub_agent_is_decided_on_every_surface(
    app: AppOf, surface: ApprovalSurface
) -> None:
    served = await app(GRAPH, [TASK, APPLY, AIMessage("Applied."), DONE])
    approval = await asked(served)
    assert (approval["tool"], approval["arguments"]["days"]) == ("leave_apply", LEAVE["days"])
    decide = await surface.of(served, approval)
    assert (await decide("approve").sent(served)).status_code in (200, 202)
    thread = await ended(served)
    assert [message["role"] for message in thread["messages"]] == ["user", "assistant", "tool", "assistant"]
    assert thread["messages"][2]["content"].strip() == "Applied."


@pytest.mark.promise("no-secret-leaves")
async def test_run_that_waits_for_its_sub_agent_keeps_no_token_and_no_credential(
    app: AppOf, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    served = await app(GRAPH, [TASK, BALANCE_AND_APPLY, DONE])
    await waits_without_secrets(served, tmp_path, caplog)


@pytest.mark.promise("approval-binds", "heals-by-itself")
async def test_question_of_its_sub_agent_outlives_a_killed_replica(
    sandbox: Sandbox, postgres: PostgresProcess, tmp_path: Path
) -> None:
    task = {**GIVEN, "description": f"call leave_apply with {json.dumps(LEAVE)}"}
    text = f"call task with {json.dumps(task)}"
    assert await result_at_another_replica("deep_agents", text, sandbox, postgres, tmp_path)
