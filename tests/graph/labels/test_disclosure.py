"""What replaces the cells of the table of docs/labels.md, and what it takes for the source of data."""

import pytest

from graph.labels.data_labels import CLIENT
from graph.labels.disclosure import Guards, guards_of
from tools.approval_policy import After, ApprovalMode, Effect, ToolPolicy, Trust

pytestmark = pytest.mark.promise("confidential-data-stays")

ALLOW, ASK, DENY = ApprovalMode.ALLOW, ApprovalMode.ASK, ApprovalMode.DENY
WRITES = ToolPolicy(Effect.WRITE, ALLOW)
OPENS = ToolPolicy(Effect.READ, trust=Trust.UNTRUSTED, after=After(untrusted=ASK))

CONFIDENTIAL = {"payroll.payslip": "confidential"}
INTERNAL = {"payroll.team": "internal"}
UNTRUSTED = {"web.page": "untrusted"}


@pytest.mark.parametrize(
    ("read", "policy", "mode"),
    [
        (UNTRUSTED, OPENS, ASK),
        ({}, OPENS, ALLOW),
        ({}, ToolPolicy(after=After(nothing=ASK)), ASK),
        ({}, ToolPolicy(after=After(nothing=DENY)), DENY),
        (UNTRUSTED, ToolPolicy(Effect.EXTERNAL, ALLOW, after=After(untrusted=ALLOW)), ALLOW),
    ],
)
def test_policy_of_a_tool_replaces_the_cells_about_values_that_its_user_has_not_written(
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
