"""What the parameters of `ListTasks` select."""

from typing import Any

import pytest

from agent.conversations.run_record import RunQuery
from plugins.a2a.a2a_error import A2ACode, A2AError
from plugins.a2a.parameters import ListParams, read_params
from plugins.a2a.stored_task import run_query


def selected(**members: Any) -> RunQuery:
    return run_query(read_params(ListParams, members))


def test_absent_and_empty_parameters_select_all() -> None:
    unspecified = {"contextId": "", "pageToken": "", "status": "TASK_STATE_UNSPECIFIED"}
    assert selected() == selected(**unspecified) == RunQuery(limit=50)


def test_parameters_select_a_context_a_state_and_a_size() -> None:
    found = selected(contextId="c-1", status="TASK_STATE_AUTH_REQUIRED", pageSize=100, pageToken="t")
    assert found == RunQuery(limit=100, before="t", thread_id="c-1", state="auth_required")


def test_page_with_artifacts_is_bounded_by_messages() -> None:
    assert selected(includeArtifacts=True).messages == 500
    assert selected(includeArtifacts=False).messages is None


@pytest.mark.parametrize(
    ("time", "seconds"),
    [
        ("1970-01-01T00:00:05Z", 5.0),
        ("1970-01-01T00:00:05.250Z", 5.25),
        ("1970-01-01T00:00:00.000005999Z", 0.000005),
        ("1970-01-01T08:00:05+08:00", 5.0),
    ],
)
def test_time_is_rfc_3339(time: str, seconds: float) -> None:
    assert selected(statusTimestampAfter=time).since == seconds


@pytest.mark.parametrize(
    "time",
    ["", "now", "5", "1970-01-01", "1970-01-01T00:00:05", "1970-01-01 00:00:05Z", "1970-W01-1T00:00:05Z",
     "1970-13-01T00:00:05Z", "1970-01-01T00:00:60Z", "1970-01-01T00:00:05+99:00", "١٩٧٠-01-01T00:00:05Z"],
)  # fmt: skip
def test_other_times_are_refused(time: str) -> None:
    assert fault(statusTimestampAfter=time) == "statusTimestampAfter"


@pytest.mark.parametrize("context_id", ["../etc", "a b", "\0", "x" * 65])
def test_identifier_that_no_context_has_is_refused(context_id: str) -> None:
    assert fault(contextId=context_id) == "contextId"


def fault(**members: Any) -> str:
    """The invalid member."""
    with pytest.raises(A2AError) as error:
        selected(**members)
    assert error.value.code is A2ACode.INVALID_PARAMS
    return error.value.metadata["field"]
