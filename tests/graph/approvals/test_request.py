"""The value of the interrupt: what every client shows, and nothing secret."""

import json

import pytest

from graph.approvals.record import ApprovalKind, PendingApproval
from graph.approvals.request import interrupt_value, pending_of
from identity.secrets.secret import Secret
from tests.graph.approvals.conftest import request_of


def test_value_has_the_forms_of_langchain_and_agent_inbox_and_the_record() -> None:
    value = interrupt_value(PendingApproval(request_of(), {"amount": 5}))
    (action,) = value["action_requests"]
    assert (action["name"], action["args"], action["arguments"]) == ("pay", {"amount": 5}, {"amount": 5})
    assert value["review_configs"] == [
        {"action_name": "pay", "allowed_decisions": ["approve", "edit", "reject"]}
    ]
    approval = value["approval"]
    assert (approval["kind"], approval["effect"], approval["scope"]) == ("tool_call", "write", "pay")
    assert (approval["created_at"], approval["expires_at"]) == (
        "2023-11-14T22:13:20.000Z", "2023-11-14T22:23:20.000Z",
    )  # fmt: skip
    assert json.loads(json.dumps(value)) == value


@pytest.mark.promise("approval-binds")
def test_arguments_are_shown_exactly_and_in_the_order_of_their_characters() -> None:
    arguments = {
        "amount": 12345678901234567890,
        "share": 0.1,
        "to": "\u202eevil\u202c",
        "note": "two\nlines, 中文",
        "of\u2066": [9007199254740993, "\x9b"],
    }
    shown = interrupt_value(PendingApproval(request_of(), arguments))["approval"]["display"]
    assert [each["name"] for each in shown] == list(arguments)
    assert [(each["label"], each["text"]) for each in shown] == [
        ("amount", "12345678901234567890"),
        ("share", "0.1"),
        ("to", '"\\u202eevil\\u202c"'),
        ("note", "two\nlines, 中文"),
        ("of\\u2066", '[\n  9007199254740993,\n  "\\u009b"\n]'),
    ]
    for each in shown:
        if each["name"] != "note":
            assert json.loads(each["text"]) == arguments[each["name"]]


def test_value_is_read_back() -> None:
    for request in (request_of(), request_of(access_identity=None, kind=ApprovalKind.SIGN_IN_REQUIRED)):
        pending = PendingApproval(request, {"amount": 5})
        assert pending_of(interrupt_value(pending)) == pending


def test_value_with_a_reference_to_the_url_of_a_consent_is_read_back_without_it() -> None:
    pending = PendingApproval(request_of(kind=ApprovalKind.CONSENT_REQUIRED), {})
    value = interrupt_value(pending, "consent-url:1")
    assert value["approval"]["url"] == "consent-url:1"
    assert value["action_requests"][0]["description"].endswith("consent-url:1")
    assert pending_of(value) == pending


def test_url_of_a_consent_is_not_in_the_value() -> None:
    request = request_of(kind=ApprovalKind.CONSENT_REQUIRED)
    value = interrupt_value(
        PendingApproval(request, {}, Secret("https://idaas.example/consent?state=canary"))
    )
    assert "canary" not in json.dumps(value)
    assert value["review_configs"][0]["allowed_decisions"] == ["approve", "reject"]
