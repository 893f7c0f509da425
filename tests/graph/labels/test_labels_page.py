"""The table of docs/labels.md: each of its cells says what is decided about such a call."""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import product
from pathlib import Path
from typing import Any

import pytest
from langchain_core.messages.tool import tool_call

from graph.approvals.disclosure_policy import DisclosurePolicy
from graph.approvals.pending_call import PendingCall
from graph.approvals.policy import Allow, Ask, Decision, Facts
from graph.labels.data_labels import labelled
from identity.principal import Principal
from tests.graph.echo_service import EchoService
from tools.approval_policy import (
    LISTED_READS,
    READS,
    UNKNOWN_POLICY,
    ApprovalMode,
    Data,
    DataLabels,
    Effect,
    ToolPolicy,
    Trust,
)

pytestmark = pytest.mark.promise("confidential-data-stays")

PAGE = Path(__file__).parents[3] / "docs" / "labels.md"
SOURCE = "payroll"
"""The service that the data is from."""
ELSEWHERE = "another"
WRITES = ToolPolicy(Effect.WRITE, ApprovalMode.ALLOW)
SENDS = ToolPolicy(Effect.EXTERNAL, ApprovalMode.ALLOW)
SEARCHES_MAIL = ToolPolicy(Effect.READ, trust=Trust.UNTRUSTED_CONTENT)
"""One's own mailbox: others write what is in it, and what is searched for stays in the company."""
WRITES_OUTSIDE = ToolPolicy(Effect.WRITE, ApprovalMode.ALLOW, trust=Trust.UNTRUSTED)


@dataclass(frozen=True, slots=True)
class Destination:
    """Where a call goes: a tool of a service. `is_labelled`: all tools of the service have a label."""

    service: str
    policy: ToolPolicy
    is_labelled: bool = True
    approvers: str | None = None


ROWS: dict[str, list[Destination]] = {
    "to the service that the data is from": [
        Destination(SOURCE, READS),
        Destination(SOURCE, READS, is_labelled=False),
        Destination(SOURCE, WRITES),
    ],
    "to that service, of which a tool has no label, and writes": [
        Destination(SOURCE, WRITES, is_labelled=False)
    ],
    "to another service of the company, and reads": [
        Destination(ELSEWHERE, READS),
        Destination(ELSEWHERE, SEARCHES_MAIL, is_labelled=False),
    ],
    "to another service of the company, and writes": [
        Destination(ELSEWHERE, WRITES),
        Destination(ELSEWHERE, WRITES, is_labelled=False),
    ],
    'outside: to a tool with `trust = "untrusted"`': [
        Destination(ELSEWHERE, LISTED_READS),
        Destination(ELSEWHERE, WRITES_OUTSIDE),
        Destination(SOURCE, LISTED_READS),
    ],
    "outside: with the effect `external`, or to a tool without a policy": [
        Destination(ELSEWHERE, SENDS),
        Destination(ELSEWHERE, UNKNOWN_POLICY),
        Destination(SOURCE, SENDS),
    ],
    "to another person first, who approves it (`approvers`, or rules)": [
        Destination(SOURCE, WRITES, approvers="payroll-leads"),
        Destination(ELSEWHERE, READS, approvers="payroll-leads"),
    ],
}
COLUMNS: dict[str, list[tuple[Data, Trust]]] = {
    "nothing, `unlabelled` or `public`": [(Data.UNLABELLED, Trust.TRUSTED), (Data.PUBLIC, Trust.TRUSTED)],
    "`untrusted`": [(Data.UNLABELLED, Trust.UNTRUSTED), (Data.PUBLIC, Trust.UNTRUSTED_CONTENT)],
    "`internal`": [(Data.INTERNAL, Trust.TRUSTED)],
    "`confidential`": [(Data.CONFIDENTIAL, Trust.TRUSTED)],
}


def table() -> Iterator[list[str]]:
    """The rows of the table of the page, its head first."""
    lines = PAGE.read_text(encoding="utf-8").splitlines()
    first = next(number for number, line in enumerate(lines) if line.startswith("| the call goes |"))
    for line in lines[first:]:
        if not line.startswith("|"):
            return
        if not line.startswith("|---"):
            yield [cell.strip() for cell in line.strip("|").split("|")]


def test_page_has_the_rows_and_columns_that_are_tested() -> None:
    head, *rows = table()
    assert head == ["the call goes", *COLUMNS]
    assert [row[0] for row in rows] == [*ROWS]


async def decided(destination: Destination, read: DataLabels, facts: Facts) -> Decision:
    """The decision about a call with a text that its user has not written."""
    service = EchoService(destination.service, use="done")
    service.policies = {"use": destination.policy}
    service.data = Data.PUBLIC if destination.is_labelled else Data.UNLABELLED
    call = tool_call(name="use", args={"text": "8,250.00"}, id="call_1")
    alice = Principal("https://idaas.example", "alice")
    pending = PendingCall(call, service.name, None, alice, None, read=read)
    so_far = Allow() if destination.approvers is None else Ask(approvers=destination.approvers)
    caller: Any = None  # without access to schemas, no one is looked at
    return await DisclosurePolicy({service.name: service}).decide(pending, caller, facts, so_far)


def in_words(decision: Decision) -> str:
    """The decision as a cell of the page says it."""
    if isinstance(decision, Allow):
        return "made"
    assert isinstance(decision, Ask)
    if decision.approvers is None:
        return "**the user**"
    return "**the user**, then the other person" if decision.user_first else "the other person"


@pytest.mark.parametrize(("row", "column"), [*product(ROWS, COLUMNS)])
async def test_cell_of_the_page_says_whose_yes_a_call_needs(row: str, column: str) -> None:
    head, *rows = table()
    [cell] = [cells[head.index(column)] for cells in rows if cells[0] == row]
    for destination, (data, trust) in product(ROWS[row], COLUMNS[column]):
        read = labelled(f"{SOURCE}.payslip", data, trust)
        decision = await decided(destination, read, Facts())
        by_a_grant = await decided(destination, read, Facts(approved=True, lasting=3600))
        by_the_user = await decided(destination, read, Facts(approved=True))

        assert (in_words(decision), in_words(by_a_grant)) == (cell, cell), destination
        assert "the user" not in in_words(by_the_user), destination
        assert "the user" not in cell or (isinstance(decision, Ask) and decision.read), destination
