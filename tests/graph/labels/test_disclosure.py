"""Each cell of the table of docs/labels.md: where a call goes, what was read, and what happens then."""

from pathlib import Path

import pytest

from graph.labels.data_labels import CLIENT
from graph.labels.disclosure import Guards, guards_of
from tools.approval_policy import (
    LISTED_READS,
    READS,
    UNKNOWN_POLICY,
    After,
    ApprovalMode,
    Effect,
    ToolPolicy,
    Trust,
)

pytestmark = pytest.mark.promise("confidential-data-stays")

ALLOW, ASK, DENY = ApprovalMode.ALLOW, ApprovalMode.ASK, ApprovalMode.DENY
WRITES = ToolPolicy(Effect.WRITE, ALLOW)
SENDS = ToolPolicy(Effect.EXTERNAL, ALLOW)
OPENS = ToolPolicy(Effect.READ, trust=Trust.UNTRUSTED, after=After(untrusted=ASK))
SEARCHES_MAIL = ToolPolicy(Effect.READ, trust=Trust.UNTRUSTED_CONTENT)
"""One's own mailbox: others write what is in it, and what is searched for stays in the company."""
DOCUMENT = Path(__file__).parents[3] / "docs" / "labels.md"

CONFIDENTIAL = {"payroll.payslip": "confidential"}
INTERNAL = {"payroll.team": "internal"}
UNTRUSTED = {"web.page": "untrusted"}


@pytest.mark.parametrize(
    ("read", "service", "policy", "mode"),
    [
        (CONFIDENTIAL, "payroll", READS, ALLOW),
        (CONFIDENTIAL, "payroll", WRITES, ALLOW),
        (CONFIDENTIAL, "leave", READS, ALLOW),
        (CONFIDENTIAL, "leave", WRITES, ASK),
        (CONFIDENTIAL, "maps", LISTED_READS, ASK),
        (CONFIDENTIAL, "mail", SEARCHES_MAIL, ALLOW),
        (INTERNAL, "mail", SEARCHES_MAIL, ALLOW),
        ({**CONFIDENTIAL, **UNTRUSTED}, "mail", SEARCHES_MAIL, ALLOW),
        (CONFIDENTIAL, "mail", SENDS, ASK),
        (CONFIDENTIAL, "maps", UNKNOWN_POLICY, ASK),
        (CONFIDENTIAL, "payroll", SENDS, ASK),
        (INTERNAL, "payroll", WRITES, ALLOW),
        (INTERNAL, "leave", READS, ALLOW),
        (INTERNAL, "leave", WRITES, ALLOW),
        (INTERNAL, "maps", LISTED_READS, ASK),
        (INTERNAL, "mail", SENDS, ASK),
        (INTERNAL, "maps", UNKNOWN_POLICY, ASK),
        ({}, "leave", WRITES, ALLOW),
        ({}, "maps", LISTED_READS, ALLOW),
        ({}, "mail", SENDS, ALLOW),
        (UNTRUSTED, "maps", LISTED_READS, ALLOW),
    ],
)
def test_call_that_says_more_than_its_user_has_written(
    read: dict[str, str], service: str, policy: ToolPolicy, mode: ApprovalMode
) -> None:
    assert guards_of(read, service, policy, to_others=False).of_data is mode


@pytest.mark.parametrize(("read", "mode"), [(CONFIDENTIAL, ASK), (INTERNAL, ALLOW), ({}, ALLOW)])
def test_call_that_others_see_before_it_is_made(read: dict[str, str], mode: ApprovalMode) -> None:
    assert guards_of(read, "payroll", WRITES, to_others=True).of_data is mode


@pytest.mark.parametrize(
    ("read", "policy", "mode"),
    [
        (UNTRUSTED, LISTED_READS, ALLOW),
        (UNTRUSTED, SEARCHES_MAIL, ALLOW),
        (UNTRUSTED, WRITES, ALLOW),
        (UNTRUSTED, SENDS, ASK),
        (UNTRUSTED, UNKNOWN_POLICY, ASK),
        (UNTRUSTED, OPENS, ASK),
        ({}, OPENS, ALLOW),
        ({}, SENDS, ALLOW),
        ({}, ToolPolicy(after=After(nothing=ASK)), ASK),
        ({}, ToolPolicy(after=After(nothing=DENY)), DENY),
        (UNTRUSTED, ToolPolicy(Effect.EXTERNAL, ALLOW, after=After(untrusted=ALLOW)), ALLOW),
    ],
)
def test_call_with_a_value_that_its_user_has_not_written(
    read: dict[str, str], policy: ToolPolicy, mode: ApprovalMode
) -> None:
    assert guards_of(read, "web", policy, to_others=False).of_values is mode


def test_write_into_a_service_whose_tools_have_no_label_leaves_it_without_one() -> None:
    guards = guards_of(CONFIDENTIAL, "payroll", WRITES, to_others=False, keeps_labels=False)
    assert guards.of_data is ASK


def test_service_that_is_named_as_the_client_is_not_where_the_clients_data_is_from() -> None:
    assert guards_of({CLIENT: "confidential"}, CLIENT, WRITES, to_others=False).of_data is ASK


def test_untrusted_data_besides_makes_what_is_allowed_ask() -> None:
    after = After(confidential=ALLOW, internal=ALLOW, untrusted=ALLOW)
    policy = ToolPolicy(Effect.EXTERNAL, ALLOW, after=after)
    for read in (CONFIDENTIAL, INTERNAL):
        assert not guards_of(read, "mail", policy, to_others=False).asks
        assert guards_of({**read, **UNTRUSTED}, "mail", policy, to_others=False).of_data is ASK
    assert guards_of({}, "mail", policy, to_others=False) == Guards()


def test_strictest_of_all_that_was_read_counts() -> None:
    policy = ToolPolicy(Effect.EXTERNAL, ALLOW, after=After(confidential=ALLOW, internal=DENY))
    assert guards_of({**CONFIDENTIAL, **INTERNAL}, "mail", policy, to_others=False).of_data is DENY


ROWS: dict[str, tuple[str, ToolPolicy, bool]] = {
    "to the service that the data is from": ("payroll", WRITES, False),
    "to another service of the company, which reads": ("leave", READS, False),
    "to another service of the company, which writes": ("leave", WRITES, False),
    "outside: an untrusted tool": ("maps", LISTED_READS, False),
    "to another person first": ("payroll", WRITES, True),
}
"""The rows of the first table by their beginning: the service, the tool, and whether others see the call."""


def cells(beginning: str) -> list[str]:
    """What a table of the document says, in the row that begins so."""
    lines = DOCUMENT.read_text(encoding="utf-8").splitlines()
    [row] = [line for line in lines if line.startswith(f"| {beginning}")]
    return row.strip("| ").split(" | ")[1:]


@pytest.mark.parametrize("row", ROWS)
def test_document_says_when_the_user_is_asked_about_a_call_that_says_more(row: str) -> None:
    service, policy, to_others = ROWS[row]
    for read, cell in zip(({}, INTERNAL, CONFIDENTIAL), cells(row), strict=True):
        guards = guards_of(read, service, policy, to_others=to_others, keeps_labels=False)
        assert ("**asks the user" in cell) is (guards.of_data is ASK), cell


@pytest.mark.parametrize(
    ("row", "policy"), [("outside, by the effect", SENDS), ("anywhere else", LISTED_READS)]
)
def test_document_says_when_the_user_is_asked_about_a_value(row: str, policy: ToolPolicy) -> None:
    for read, cell in zip(({}, UNTRUSTED), cells(row), strict=True):
        guards = guards_of(read, "web", policy, to_others=False)
        assert ("**asks the user" in cell) is (guards.of_values is ASK), cell
