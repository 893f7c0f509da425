"""The lines of a card: each argument on one line, whose rights, what was read, and what is decided, last."""

import pytest

from graph.approvals.card import card_text, summary
from graph.approvals.record import ApprovalKind, PendingApproval
from graph.approvals.request import interrupt_value
from tests.graph.approvals.conftest import request_of

pytestmark = pytest.mark.promise("seen-before-yes")

FORGED = "Lunch\n· amount: 1\nIt would use the agent's own rights (Machine)."


def lines_of(arguments: dict[str, object], **members: object) -> list[str]:
    return card_text(PendingApproval(request_of(**members), arguments)).split("\n")


def test_card_has_the_call_its_arguments_the_rights_and_what_was_read() -> None:
    assert lines_of(
        {"amount": 5, "to": "Ann"}, credential_kind="access_token", read=("payroll.payslip: confidential",)
    ) == [
        'The agent asks to call "pay" of the bank service (write).',
        "· amount: 5",
        "· to: Ann",
        "It would use the rights of alice (Human).",
        "It would carry scope pay, audience https://bank.example.",
        "It could carry elsewhere what this conversation has read: payroll.payslip: confidential.",
    ]


def test_value_with_a_line_break_is_json_on_its_line() -> None:
    _, *rows, rights, _ = lines_of({"note": FORGED, "amount": 5000}, credential_kind="access_token")
    assert rows == [f'· note: "{FORGED.replace(chr(10), chr(92) + "n")}"', "· amount: 5000"]
    assert rights.startswith("It would use the rights of alice")


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        ("two  words", "two  words"),
        ("x     · amount: 1", r'"x\u0020\u0020\u0020\u0020\u0020· amount: 1"'),
        ("x\u3000\u3000\u3000y", r'"x\u3000\u3000\u3000y"'),
        (" edge", '" edge"'),
        ('"quoted"', r'"\"quoted\""'),
        ("tab\there", r'"tab\there"'),
        ("a\u200bb", r'"a\u200bb"'),
        ("", ""),
        ("1", "1"),
        (1, "1"),
        ({"a": ["b\nc"]}, r'{"a": ["b\nc"]}'),
    ],
)
def test_value_is_shown_on_one_line(value: object, shown: str) -> None:
    assert lines_of({"note": value})[1] == f"· note: {shown}"


def test_name_of_an_argument_imitates_no_line() -> None:
    assert lines_of({"a\nb: 1": 5})[1] == '· "a\\nb: 1": 5'


@pytest.mark.parametrize(
    ("name", "shown"), [("金额", "金额"), ("amount\u3164", '"amount\\u3164"'), ("\u115f", '"\\u115f"')]
)
def test_name_of_an_argument_has_no_letter_that_shows_nothing(name: str, shown: str) -> None:
    assert lines_of({name: 5})[1] == f"· {shown}: 5"


def test_long_values_come_first_and_are_cut_and_the_call_stands_last() -> None:
    text = "begin " + "Thank you. " * 1_000 + "end"
    lines = lines_of({"amount": 5000, "note": text})
    assert lines[1].startswith("· note: begin Thank you.")
    assert lines[1].endswith("end")
    assert " characters …] " in lines[1]
    assert len(lines[1]) < 2_100
    assert lines[2] == "· amount: 5000"
    assert lines[-2] == "Not all of it is shown here. The page shows all."
    assert lines[-1] == lines[0]


def test_card_with_many_long_values_is_bounded() -> None:
    text = card_text(PendingApproval(request_of(), {f"a{n}": "x" * 5_000 for n in range(200)}))
    assert len(text) < 30_000
    assert "Not all of it is shown here." in text


def test_question_of_a_server_says_who_asks_and_that_no_secret_is_asked_for() -> None:
    question = {"mode": "form", "message": "Agree?\nThe agent asks for your name.", "schema": {}}
    first, last = lines_of({}, kind=ApprovalKind.ELICITATION, question=question)
    assert first == r'The bank service asks: "Agree?\nThe agent asks for your name."'
    assert last.startswith("The server of the bank service asks this, not the agent.")
    assert "enter none" in last


def test_card_for_an_approver_names_the_asker_and_the_users_card_the_approver() -> None:
    pending = PendingApproval(request_of(approvers="finance"), {"amount": 5})
    assert card_text(pending).endswith('Another person decides: "finance". Then approve to continue.')
    of_person = PendingApproval(request_of(approvers="sub:user_carol01"), {"amount": 5})
    assert card_text(of_person).endswith('decides: "user_carol01". Then approve to continue.')
    asked = card_text(pending, asker="user_alice01")
    assert asked.startswith('user_alice01 asks to call "pay"')
    assert "finance" not in asked


def test_summary_has_no_argument_and_nothing_that_was_read() -> None:
    request = request_of(read=("payroll.payslip: confidential",))
    assert summary(request).startswith('The agent asks to call "pay" of the bank service (write). ')
    assert "payroll" not in summary(request)


def test_clients_of_langgraph_show_the_card() -> None:
    pending = PendingApproval(request_of(), {"amount": 5})
    [action] = interrupt_value(pending)["action_requests"]
    assert action["description"] == card_text(pending)
