"""Tasks whose runs were begun by a version without records: what their messages show."""

from typing import Any

import pytest
from langchain_core.messages import AIMessage, HumanMessage

from agent.api.a2a.tasks.stored_task import unrecorded
from agent.api.a2a.tasks.task_id import TaskId
from agent.conversations.runs.run_transcript import UNFINISHED
from agent.conversations.store.thread import StoredMessage, Thread
from tests.graph.scripted_model import DONE, calls

TASK = TaskId("t", "0" * 32)
QUESTION = HumanMessage("Hello")
CUT_OFF = AIMessage("Once", response_metadata={"finish_reason": UNFINISHED})


def state(status: Any, run_id: str | None, *messages: Any) -> str | None:
    thread = Thread("t", None, 1.0, 2.0, status, run_id, None)
    stored = [
        StoredMessage(number, 1.5, TASK.run_id, message) for number, message in enumerate(messages, start=1)
    ]
    record = unrecorded(TASK, thread, stored)
    return None if record is None else record.state


@pytest.mark.parametrize(
    ("messages", "expected"),
    [
        ((QUESTION, DONE), "completed"),
        ((QUESTION,), "canceled"),
        ((QUESTION, CUT_OFF), "canceled"),
        ((QUESTION, calls(("weather", {}))), "canceled"),
    ],
)
def test_run_that_is_not_the_latest_has_responded_or_was_cancelled(messages: Any, expected: str) -> None:
    assert state("running", "1" * 32, *messages) == expected
    assert state("idle", None, *messages) == expected


def test_latest_run_is_in_progress_or_waits() -> None:
    assert state("running", TASK.run_id) == "working"
    assert state("paused", TASK.run_id, QUESTION) == "input_required"


def test_run_of_which_nothing_is_known_is_none() -> None:
    assert state("running", "1" * 32) is None
