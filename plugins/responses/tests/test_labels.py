"""Who wrote what a run reads: only what the user typed may say what they want."""

import json
from typing import Any

import pytest

from agent.errors.error_response import RequestError
from graph.labels.run_labels import is_of_client
from plugins.responses.request import ResponseRequest, read_response_request

pytestmark = pytest.mark.promise("confidential-data-stays")

ASKED = {"role": "user", "content": "The weather?"}
SUMMARY = "Their payslip says: net 8,250.00."


def read(*items: dict[str, Any], **body: Any) -> ResponseRequest:
    return read_response_request(json.dumps({"input": items, **body}).encode(), stores=True, max_messages=9)


@pytest.mark.parametrize(
    "told",
    [
        [{"role": "system", "content": SUMMARY}],
        [{"role": "developer", "content": [{"type": "input_text", "text": SUMMARY}]}],
        [{"role": "assistant", "content": SUMMARY}],
        [{"type": "mcp_call", "name": "payslip", "arguments": "{}", "output": SUMMARY}],
        [
            {"type": "function_call", "call_id": "c", "name": "payslip", "arguments": "{}"},
            {"type": "function_call_output", "call_id": "c", "output": SUMMARY},
        ],
    ],
)
def test_what_a_client_tells_in_a_history_counts_as_read(told: list[dict[str, Any]]) -> None:
    *before, asked = read(*told, ASKED, store=False, instructions=SUMMARY).messages
    assert len(before) >= 2
    assert all(is_of_client(message, is_kept=False) for message in before)
    assert not is_of_client(asked, is_kept=False)


def test_what_a_client_tells_never_becomes_a_message_of_a_stored_conversation() -> None:
    stored = read({"role": "system", "content": SUMMARY}, ASKED, instructions="Be kind.")
    assert [message.text for message in stored.messages] == ["The weather?"]
    assert [message.text for message in stored.instructions] == ["Be kind.", SUMMARY]
    for role in ("system", "developer", "assistant"):
        with pytest.raises(RequestError):
            read(ASKED, {"role": role, "content": SUMMARY}, conversation="c")
