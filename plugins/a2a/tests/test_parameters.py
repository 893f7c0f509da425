"""The parameters of A2A's methods."""

from typing import Any

import pytest

from plugins.a2a.a2a_error import A2ACode, A2AError
from plugins.a2a.parameters import ListParams, SendParams, TaskParams, read_params
from plugins.a2a.task import TaskId

MESSAGE: dict[str, Any] = {"messageId": "m-1", "role": "ROLE_USER", "parts": [{"text": "a"}]}


def code_of(of: Any, *arguments: Any) -> A2ACode:
    with pytest.raises(A2AError) as error:
        of(*arguments)
    return error.value.code


def test_names_have_both_forms_of_protocol_buffers() -> None:
    for name, context in (("messageId", "contextId"), ("message_id", "context_id")):
        message = {name: "m-1", context: "c-1", "role": "ROLE_USER", "parts": [{"text": "a"}]}
        given = read_params(SendParams, {"message": message, "unknown": 1})
        assert (given.message.message_id, given.message.context_id) == ("m-1", "c-1")


FAULTS: list[tuple[Any, dict[str, Any], str]] = [
    *((ListParams, change, next(iter(change))) for change in (
        {"pageSize": 0}, {"pageSize": 101}, {"pageSize": "5"}, {"pageToken": 5}, {"status": "completed"},
        {"status": "TASK_STATE_DONE"}, {"status": 3}, {"statusTimestampAfter": 5},
        {"includeArtifacts": "true"}, {"historyLength": -1}, {"contextId": 5},
    )),
    *((SendParams, {"message": MESSAGE | change}, field) for change, field in (
        ({"messageId": ""}, "message.messageId"),
        ({"messageId": 7}, "message.messageId"),
        ({"role": "ROLE_AGENT"}, "message.role"),
        ({"role": "user"}, "message.role"),
        ({"parts": []}, "message.parts"),
        ({"parts": [{"text": 1}]}, "message.parts[0].text"),
        ({"contextId": 1}, "message.contextId"),
    )),
]  # fmt: skip


@pytest.mark.parametrize(("model", "params", "field"), FAULTS)
def test_fault_of_the_parameters_names_the_member(model: Any, params: dict[str, Any], field: str) -> None:
    with pytest.raises(A2AError) as error:
        read_params(model, params)
    assert (error.value.code, error.value.metadata) == (A2ACode.INVALID_PARAMS, {"field": field})


@pytest.mark.parametrize(
    "params", [None, [], "t", {}, {"id": ""}, {"id": 1}, {"id": "t", "historyLength": -1}]
)
def test_parameters_of_a_task_are_its_id_and_a_length(params: Any) -> None:
    assert code_of(read_params, TaskParams, params) is A2ACode.INVALID_PARAMS


def test_task_id_names_context_and_run() -> None:
    task_id = TaskId("c-1_x", "0123456789abcdef" * 2)
    assert TaskId.read(str(task_id)) == task_id


@pytest.mark.parametrize(
    "text",
    ["", ".", "c", "c.", "." + "0" * 32, "c." + "0" * 31, "c." + "0" * 33, "c." + "g" * 32, "a/b." + "0" * 32,
     "c." + "A" * 32, "c.d." + "0" * 32, "c." + "0" * 32 + "\n", "c" * 65 + "." + "0" * 32],
)  # fmt: skip
def test_text_that_is_no_task_id_is_no_task(text: str) -> None:
    assert code_of(TaskId.read, text) is A2ACode.TASK_NOT_FOUND
