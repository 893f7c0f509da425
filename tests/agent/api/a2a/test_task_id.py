"""The id of a task, as a client sends it."""

import pytest

from agent.api.a2a.rpc_error import RpcCode
from agent.api.a2a.task import TaskId
from tests.agent.api.a2a.test_rpc_request import code_of


def test_task_id_names_context_and_run() -> None:
    task_id = TaskId("c-1_x", "0123456789abcdef" * 2)
    assert TaskId.read(str(task_id)) == task_id


@pytest.mark.parametrize(
    "text",
    ["", ".", "c", "c.", "." + "0" * 32, "c." + "0" * 31, "c." + "0" * 33, "c." + "g" * 32, "a/b." + "0" * 32,
     "c." + "A" * 32, "c.d." + "0" * 32, "c." + "0" * 32 + "\n", "c" * 65 + "." + "0" * 32],
)  # fmt: skip
def test_text_that_is_no_task_id_is_no_task(text: str) -> None:
    assert code_of(TaskId.read, text) is RpcCode.TASK_NOT_FOUND
