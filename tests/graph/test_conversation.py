import pytest
from langchain_core.messages import AIMessage, HumanMessage, SystemMessage, ToolMessage

from agent.error_table import ERROR_CODES, ERROR_TABLE
from graph.conversation import SYSTEM_PROMPT, failure_text, identified, pending, request, without_calls
from identity.error_codes import IdentityCode
from identity.errors import AgentError, CredentialError
from identity.request_id import REQUEST_ID


def call(identifier, name="weather", args=None):
    return {"name": name, "args": args or {}, "id": identifier, "type": "tool_call"}


def test_pending_are_the_calls_of_the_latest_answer_that_have_no_result():
    answer = AIMessage("", tool_calls=[call("1"), call("2")])
    assert [c["id"] for c in pending([HumanMessage("x"), answer])] == ["1", "2"]
    assert [c["id"] for c in pending([answer, ToolMessage("r", tool_call_id="2")])] == ["1"]
    assert pending([answer, HumanMessage("never mind")]) == []
    assert pending([answer, AIMessage("done")]) == []
    assert pending([]) == []


def test_every_call_gets_an_identifier_of_its_own():
    answer, refusals = identified(AIMessage("", tool_calls=[call("1"), call(""), call(None), call("1")]))
    identifiers = [c["id"] for c in answer.tool_calls]
    assert identifiers[0] == "1"
    assert len(set(identifiers)) == 4
    assert all(identifiers)
    assert refusals == []


def test_an_answer_without_calls_stays_the_same_object():
    answer = AIMessage("x")
    assert identified(answer) == (answer, [])
    assert without_calls(answer) is answer


def test_the_calls_of_an_answer_are_dropped_where_none_was_offered():
    answer = without_calls(AIMessage("x", tool_calls=[call("1")], id="m1"))
    assert (answer.text, answer.tool_calls, answer.id) == ("x", [], "m1")


def test_a_request_has_one_system_message_with_ours_first():
    sent = request(
        [SystemMessage("A"), SystemMessage([{"type": "text", "text": "B"}]), HumanMessage("x")], ["N"]
    )
    assert [m.type for m in sent] == ["system", "human"]
    assert sent[0].content == f"{SYSTEM_PROMPT}\n\nN\n\nA\n\nB"


def test_a_later_system_message_stays_in_its_place():
    assert [m.type for m in request([HumanMessage("x"), SystemMessage("A")], [])] == [
        "system",
        "human",
        "system",
    ]


def test_calls_without_a_result_get_one_in_the_right_place():
    messages = [
        HumanMessage("x"),
        AIMessage("", tool_calls=[call("1"), call("2")]),
        ToolMessage("r", tool_call_id="1"),
        HumanMessage("y"),
        AIMessage("", tool_calls=[call("3")]),
    ]
    sent = request(messages, [])
    assert [(m.type, getattr(m, "tool_call_id", None)) for m in sent] == [
        ("system", None),
        ("human", None),
        ("ai", None),
        ("tool", "1"),
        ("tool", "2"),
        ("human", None),
        ("ai", None),
        ("tool", "3"),
    ]
    assert len(messages) == 5


@pytest.mark.parametrize("code", ERROR_CODES)
def test_the_model_reads_of_a_failure_its_code_and_the_persons_text(code):
    error = AgentError(code, 'claim "canary"', about='client "canary"')
    set_before = REQUEST_ID.set("1f2e")
    text = failure_text(error, "leave")
    REQUEST_ID.reset(set_before)
    row = ERROR_TABLE[code]
    assert text == f"{code}: {row.for_person('the leave service', '1f2e')}"
    assert text.endswith("; reference 1f2e.")
    assert not [words for words in ("canary", row.cause, row.remedy) if words in text]


def test_a_failure_outside_of_a_request_has_no_reference():
    error = CredentialError(IdentityCode.TOKEN_EXCHANGE_FAILED, "invalid_scope")
    assert failure_text(error, "leave").endswith("Ask your administrator.")
