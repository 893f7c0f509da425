"""A conversation that the client tells: how its calls become messages."""

import pytest
from langchain_core.messages import AIMessage

from agent.errors.error_response import RequestError
from plugins.responses.items import history, read_items

CALL = {"type": "function_call", "name": "weather", "arguments": "{}"}
OUTPUT = {"type": "function_call_output", "output": ""}


def test_calls_that_follow_each_other_are_one_response_however_many_there_are() -> None:
    calls = [CALL | {"call_id": str(number)} for number in range(5_000)]
    outputs = [OUTPUT | {"call_id": str(number)} for number in range(5_000)]
    first, *results = history(read_items([*calls, *outputs]), 0)
    assert isinstance(first, AIMessage)
    assert (len(first.tool_calls), len(results)) == (5_000, 5_000)


@pytest.mark.parametrize(
    "again",
    [
        CALL | {"call_id": "a"},
        {"type": "mcp_call", "id": "a", "name": "x", "arguments": "{}", "server_label": "x"},
    ],
)
def test_id_of_an_earlier_call_is_refused(again: dict[str, str]) -> None:
    items = read_items([CALL | {"call_id": "a"}, OUTPUT | {"call_id": "a"}, again])
    with pytest.raises(RequestError, match="another call before has this id"):
        history(items, 0)
