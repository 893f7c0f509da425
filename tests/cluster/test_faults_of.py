"""The demonstration notices what is lost or doubled in a stored conversation."""

from typing import Any

import pytest

from cluster.demonstration import faults_of

QUESTION = {"role": "user", "content": "And now?"}
CALL = {"role": "assistant", "toolCalls": [{"id": "call-1"}]}
RESULT = {"role": "tool", "toolCallId": "call-1", "content": "sunny"}
ANSWER = {"role": "assistant", "content": "It is sunny."}


def thread(*messages: dict[str, Any], status: str = "idle") -> dict[str, Any]:
    return {"status": status, "messages": list(messages)}


def test_complete_conversation_has_no_fault() -> None:
    assert faults_of(thread(QUESTION, CALL, RESULT, ANSWER)) == []
    assert faults_of(thread(QUESTION, ANSWER | {"unfinished": True}, ANSWER)) == []


@pytest.mark.parametrize(
    ("given", "fault"),
    [
        (thread(QUESTION, CALL, RESULT), "no answer"),
        (thread(), "0 questions"),
        (thread(QUESTION, QUESTION, ANSWER), "2 questions"),
        (thread(QUESTION, ANSWER, ANSWER), "2 answers"),
        (thread(QUESTION, CALL, ANSWER), "1 calls, 0 results"),
        (thread(QUESTION, CALL, RESULT, RESULT, ANSWER), "1 calls, 2 results"),
        (thread(QUESTION, ANSWER, status="interrupted"), "the run is interrupted"),
    ],
)
def test_what_is_lost_or_doubled_is_a_fault(given: dict[str, Any], fault: str) -> None:
    assert fault in faults_of(given)
