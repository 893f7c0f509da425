from typing import Any

import pytest
from langchain_core.messages import AIMessage, HumanMessage, ToolMessage

from agent.errors.error_table import ERROR_CODES, ERROR_TABLE
from graph.state import AgentState
from graph.tool_calls.requested_calls import (
    accepted_calls,
    call_identifiers,
    called_services,
    failure_text,
    normalize_tool_calls,
    pending_tool_calls,
)
from identity.error_codes import IdentityCode
from identity.errors import AgentError, CredentialError
from identity.observation.request_context import REQUEST_ID


def call(identifier, name="weather", args=None):
    return {"name": name, "args": args or {}, "id": identifier, "type": "tool_call"}


def test_calls_of_the_latest_response_without_a_result_are_pending() -> None:
    answer = AIMessage("", tool_calls=[call("1"), call("2")])
    assert [c["id"] for c in pending_tool_calls([HumanMessage("x"), answer])] == ["1", "2"]
    assert [c["id"] for c in pending_tool_calls([answer, ToolMessage("r", tool_call_id="2")])] == ["1"]
    assert pending_tool_calls([answer, HumanMessage("never mind")]) == []
    assert pending_tool_calls([answer, AIMessage("done")]) == []
    assert pending_tool_calls([]) == []


@pytest.mark.promise("model-cannot-steer")
def test_call_that_the_model_node_did_not_accept_is_of_no_service() -> None:
    response = AIMessage("", tool_calls=[call("1"), call("2")])
    state = AgentState(messages=[response], accepted={"2": "maps", "3": "bank"})
    assert accepted_calls(state) == [(response.tool_calls[1], "maps")]
    assert called_services(state) == {"maps"}
    assert accepted_calls(AgentState(messages=[response])) == []


def test_each_call_gets_its_own_identifier() -> None:
    answer, refused = normalize_tool_calls(
        AIMessage("", tool_calls=[call("1"), call(""), call(None), call("1")])
    )
    identifiers = [c["id"] for c in answer.tool_calls]
    assert identifiers[0] == "1"
    assert len(set(identifiers)) == 4
    assert all(identifiers)
    assert refused == {}


def test_identifier_of_an_earlier_call_or_result_is_replaced() -> None:
    earlier = [AIMessage("", tool_calls=[call("1")]), ToolMessage("r", tool_call_id="2"), HumanMessage("3")]
    given = AIMessage("", tool_calls=[call("1"), call("2"), call("3")])
    answer, _ = normalize_tool_calls(given, call_identifiers(earlier))
    identifiers = [c["id"] for c in answer.tool_calls]
    assert identifiers[2] == "3"
    assert {"1", "2"}.isdisjoint(identifiers)
    assert len(set(identifiers)) == 3


def test_response_without_calls_stays_the_same_object() -> None:
    answer = AIMessage("x")
    assert normalize_tool_calls(answer) == (answer, {})


@pytest.mark.parametrize("code", ERROR_CODES)
def test_text_of_a_failure_for_the_model_is_its_code_and_the_persons_text(code: Any) -> None:
    error = AgentError(code, 'claim "canary"', about='client "canary"')
    set_before = REQUEST_ID.set("1f2e")
    text = failure_text(error, "leave")
    REQUEST_ID.reset(set_before)
    row = ERROR_TABLE[code]
    assert text == f"{code}: {row.for_person('the leave service', '1f2e')}"
    assert text.endswith("; reference 1f2e.")
    assert not [words for words in ("canary", row.cause, row.remedy) if words in text]


def test_failure_outside_of_a_request_has_no_reference() -> None:
    error = CredentialError(IdentityCode.TOKEN_EXCHANGE_FAILED, "invalid_scope")
    assert failure_text(error, "leave").endswith("Ask your administrator.")
