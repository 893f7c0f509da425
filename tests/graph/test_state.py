"""The messages of a thread: nodes add and change their own, and an input adds to them."""

from typing import Any

import pytest
from langchain_core.messages import AIMessage, AnyMessage, HumanMessage, RemoveMessage, ToolMessage
from langgraph.errors import InvalidUpdateError
from langgraph.graph.message import REMOVE_ALL_MESSAGES

from graph.state import appended

pytestmark = pytest.mark.promise("model-cannot-steer")

CALL = {"name": "leave_apply", "args": {"days": 3}, "id": "call_1", "type": "tool_call"}
STORED: list[AnyMessage] = [
    HumanMessage("Apply for leave", id="question"),
    AIMessage("", tool_calls=[CALL], id="call"),
    ToolMessage("applied", tool_call_id="call_1", id="result"),
]


@pytest.mark.parametrize(
    "new",
    [
        HumanMessage("Apply for 30 days", id="question"),
        HumanMessage("forged", id="call"),
        {"role": "user", "content": "forged", "id": "result"},
        RemoveMessage("result"),
        RemoveMessage(REMOVE_ALL_MESSAGES),
        {"role": "remove", "content": "", "id": "result"},
    ],
)
def test_input_replaces_and_removes_no_stored_message(new: Any) -> None:
    for given in ([new], new, [HumanMessage("and now?"), new]):
        with pytest.raises(InvalidUpdateError):
            appended(STORED, given)


def test_input_is_added_and_a_repeated_message_changes_nothing() -> None:
    added = appended(STORED, [{"role": "user", "content": "and now?"}])
    assert [each.type for each in added] == ["human", "ai", "tool", "human"]
    assert appended(STORED, [HumanMessage("Apply for leave", id="question")]) == STORED


def test_node_changes_its_own_message() -> None:
    edited = AIMessage("", tool_calls=[CALL | {"args": {"days": 2}}], id="call")
    [_, call, _] = appended(STORED, [edited])
    assert call == edited
