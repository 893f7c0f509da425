"""A run that waits for its user, in both forms that AG-UI's clients know."""

import json
from typing import Any

import pytest
from langchain_core.messages import AIMessage, AnyMessage, HumanMessage

from agent.api.ag_ui.encoder import RunEncoder
from agent.runs.run import Paused, Usage
from graph.approvals.record import ApprovalKind
from identity.secrets.secret import Secret
from tests.agent.api.ag_ui.test_encoder import response
from tests.agent.api.ag_ui.verified import of_type, verified
from tests.agent.api.test_approval_required import pending

CALLS: Any = [
    {"name": "leave_balance", "args": {}, "id": "c1"},
    {"name": "leave_apply", "args": {"days": 3}, "id": "call_1"},
]
RESPONSE = AIMessage("", id="m1", tool_calls=CALLS)
CONVERSATION: list[AnyMessage] = [HumanMessage("three days", id="u1"), RESPONSE]


def waiting(
    kind: ApprovalKind = ApprovalKind.TOOL_CALL, url: Secret | None = None, response: AIMessage | None = None
) -> Paused:
    return Paused((pending(kind, url, days=3),), Usage(10, 5), response)


def paused(
    end: Paused, messages: list[AnyMessage] | None = None, *, events: Any = (), **options: Any
) -> list[dict[str, Any]]:
    """The verified events of a run that waits."""
    encoder = RunEncoder("t-1", "r-1", model="qwen-plus", **options)
    sent = encoder.started()
    for event in events:
        sent += encoder.event(event)
    return verified([*sent, *encoder.paused(end, messages)])


def test_outcome_names_the_call_its_expiry_and_the_whole_approval() -> None:
    finished = paused(waiting(), CONVERSATION)[-1]

    assert finished["outcome"]["type"] == "interrupt"
    [interrupt] = finished["outcome"]["interrupts"]
    assert (interrupt["id"], interrupt["reason"], interrupt["toolCallId"]) == (
        "a" * 32,
        "tool_call",
        "call_1",
    )
    assert interrupt["expiresAt"] == "2023-11-14T22:23:20.000Z"
    assert "leave_apply" in interrupt["message"]
    assert set(interrupt["responseSchema"]["properties"]) == {"approved", "message", "editedArgs"}
    approval = interrupt["metadata"]["idaas-agent"]
    assert approval["arguments"] == {"days": 3}
    assert approval["display"] == [{"name": "days", "label": "days", "text": "3"}]
    assert (approval["access_identity"], approval["scope"]) == ("Human", "leave.write")
    assert finished["usage"][0]["totalTokens"] == 15


def test_snapshots_come_before_the_end() -> None:
    events = paused(waiting(), CONVERSATION)

    messages, state, custom, finished = events[-4:]
    assert [message["id"] for message in messages["messages"]] == ["u1", "m1"]
    assert state["snapshot"] == {"thread_id": "t-1", "status": "paused"}
    assert (custom["type"], finished["type"]) == ("CUSTOM", "RUN_FINISHED")


def test_every_call_of_the_message_is_sent_before_the_question() -> None:
    events = paused(waiting(response=RESPONSE), events=[response("m1")])
    starts = of_type(events, "TOOL_CALL_START")

    assert [(start["toolCallId"], start["parentMessageId"]) for start in starts] == [
        ("c1", "m1"),
        ("call_1", "m1"),
    ]
    assert "metadata" not in starts[0]
    assert starts[1]["metadata"]["idaas-agent"]["audience"] == "https://leave.example"


def test_call_in_question_is_sent_also_without_its_message() -> None:
    events = paused(waiting(), events=[response("m1")])

    [start] = of_type(events, "TOOL_CALL_START")
    assert (start["toolCallId"], start["toolCallName"], start["parentMessageId"]) == (
        "call_1",
        "leave_apply",
        "m1",
    )
    [arguments] = of_type(events, "TOOL_CALL_ARGS")
    assert json.loads(arguments["delta"]) == {"days": 3}


def test_next_question_of_a_continued_run_does_not_send_its_calls_again() -> None:
    events = paused(waiting(response=RESPONSE), announced={"c1", "call_1"})

    assert of_type(events, "TOOL_CALL_START") == []


@pytest.mark.parametrize("kind", [ApprovalKind.CONSENT_REQUIRED, ApprovalKind.SIGN_IN_REQUIRED])
def test_other_kinds_have_reasons_of_their_own_and_nothing_to_edit(kind: ApprovalKind) -> None:
    url = Secret("https://idaas.example/consent")
    [interrupt] = paused(waiting(kind=kind, url=url))[-1]["outcome"]["interrupts"]

    assert interrupt["reason"] == f"idaas-agent:{kind.value}"
    assert "editedArgs" not in interrupt["responseSchema"]["properties"]
    assert interrupt["metadata"]["idaas-agent"]["url"] == "https://idaas.example/consent"


def test_result_of_a_call_that_was_sent_before_has_the_arguments_it_was_made_with() -> None:
    encoder = RunEncoder("t-1", "r-1", model="qwen-plus", announced={"call_1"})
    call = {"tool": "leave_apply", "service": "leave", "access_identity": "Human", "call_id": "call_1"}
    started: Any = {"type": "tool_started", **call, "arguments": {"days": 2}}
    finished: Any = {
        **call,
        "type": "tool_finished",
        "ok": True,
        "called": True,
        "duration_ms": 1,
        "result": "ok",
    }

    assert encoder.event(started) == []
    [result] = encoder.event(finished)
    assert result["metadata"]["idaas-agent"]["arguments"] == {"days": 2}
