"""The operator's titles on a card: beside the names, in the reader's language, and never in their place."""

from typing import Any

import pytest

from graph.approvals.card import card_text, summary
from graph.approvals.record import ApprovalKind, PendingApproval
from graph.approvals.request import interrupt_value, pending_of
from graph.approvals.titles import Titles
from identity.observation.request_context import LANGUAGE, Language
from tests.graph.approvals.conftest import request_of
from tools.titles import ServiceTitles, ToolTitles, Words

pytestmark = pytest.mark.promise("seen-before-yes")

PAY = ToolTitles.model_validate(
    {
        "title": {"en": "Pay a bill", "zh": "付款"},
        "arguments": {"amount": {"en": "Amount", "zh": "金额"}, "to": {"en": "Payee"}},
    }
)
TITLES = Titles({"bank": ServiceTitles(Words(en="Bank", zh="银行"), {"pay": PAY})})
ARGUMENTS = {"amount": 5, "to": "Ann", "note": "Amount (amount): 1"}


def lines_of(arguments: dict[str, Any], titles: Titles = TITLES, **members: Any) -> list[str]:
    return card_text(titles.beside(PendingApproval(request_of(**members), arguments))).split("\n")


@pytest.fixture
def in_language():
    def read(language: Language) -> None:
        tokens.append(LANGUAGE.set(language))

    tokens: list[Any] = []
    yield read
    for token in reversed(tokens):
        LANGUAGE.reset(token)


def test_titles_stand_beside_the_names_of_service_tool_and_arguments() -> None:
    first, *rows = lines_of(ARGUMENTS)[:4]
    assert first == 'The agent asks to call "Pay a bill (pay)" of the Bank (bank) service (write).'
    assert rows == ["· Amount (amount): 5", "· Payee (to): Ann", "· note: Amount (amount): 1"]


def test_titles_are_in_the_language_of_the_reader_and_one_text_stands_for_both(in_language) -> None:
    in_language("zh")
    first, amount, payee, *_ = lines_of(ARGUMENTS)
    assert first == 'The agent asks to call "付款 (pay)" of the 银行 (bank) service (write).'
    assert (amount, payee) == ("· 金额 (amount): 5", "· Payee (to): Ann")


@pytest.mark.parametrize("kind", ApprovalKind)
def test_each_kind_of_question_that_names_the_service_has_its_title(kind: ApprovalKind) -> None:
    question = {"mode": "form", "message": "Agree?", "schema": {}}
    text = "\n".join(lines_of({}, kind=kind, question=question))
    assert text.count("Bank (bank)") == text.count("bank)")
    assert ("bank" in text) == (kind is not ApprovalKind.SIGN_IN_REQUIRED)


def test_summary_has_titles() -> None:
    pending = TITLES.beside(PendingApproval(request_of(), {}))
    assert summary(pending.request).startswith('The agent asks to call "Pay a bill (pay)" of the Bank (bank)')


def test_title_equal_to_the_name_is_not_said_twice() -> None:
    same = Titles({"bank": ServiceTitles(Words(en="bank", zh="银行"), {})})
    assert lines_of({}, same)[0] == 'The agent asks to call "pay" of the bank service (write).'


@pytest.mark.parametrize("named", ["Amount", "amount", "金额"])
def test_title_that_is_the_name_of_another_argument_of_the_call_is_not_shown(named: str) -> None:
    misleading = ToolTitles.model_validate({"arguments": {"fee": {"en": "amount", "zh": "金额"}}})
    rows = lines_of({"fee": 1, named: 5_000}, Titles({"bank": ServiceTitles(None, {"pay": misleading})}))
    assert rows[1:3] == ["· fee: 1", f"· {named}: 5000"]


def test_title_changes_nothing_of_what_is_approved_stored_and_recorded() -> None:
    asked = PendingApproval(request_of(), ARGUMENTS)
    shown = TITLES.beside(asked)
    assert (shown.request.id, shown.request.digest) == (asked.request.id, asked.request.digest)
    assert shown.request.audited("d") == asked.request.audited("d")
    assert shown.arguments == asked.arguments
    [action], [again] = interrupt_value(shown)["action_requests"], interrupt_value(asked)["action_requests"]
    assert (action["name"], action["args"]) == (again["name"], again["args"])
    assert interrupt_value(shown)["approval"] == interrupt_value(asked)["approval"]


def test_no_title_is_read_from_the_state_of_a_run() -> None:
    value = interrupt_value(TITLES.beside(PendingApproval(request_of(), ARGUMENTS)))
    assert "Bank (bank)" in value["action_requests"][0]["description"]
    assert "Bank" not in card_text(pending_of(value))
