"""A rule that can never be what it seems is a fault of the file, with its line."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from identity.errors import ConfigurationError
from plugins.policy.schema import ToolAction
from plugins.policy.tests.company import VOCABULARY
from plugins.policy.tests.test_rules import ALL, faults, read
from tools.approval_policy import Effect

pytestmark = pytest.mark.promise("policy-decides")

BOOK = ToolAction(
    "trips",
    "book",
    Effect.WRITE,
    {
        "type": "object",
        "properties": {
            "kind": {"enum": ["rail", "air"], "type": "string"},
            "seat": {"$ref": "#/$defs/Seat"},
            "extras": {"type": "array", "items": {"enum": ["bike", "meal"], "type": "string"}},
        },
        "required": ["kind", "seat", "extras"],
        "$defs": {
            "Seat": {
                "type": "object",
                "properties": {"row": {"type": "integer"}, "side": {"const": "left", "type": "string"}},
                "required": ["row", "side"],
            }
        },
    },
)
KNOWN = replace(
    VOCABULARY, actions={**VOCABULARY.actions, BOOK.name: BOOK}, services=("expenses", "maps", "trips")
)
SUBMIT = 'Action::"expenses.submit_expense"'
FORBID = f"forbid (principal, action == {SUBMIT}, resource)"
BOOKS = 'forbid (principal, action == Action::"trips.book", resource)'


@pytest.mark.parametrize(
    ("condition", "named"),
    [
        ("context.input has amout && context.input.amout > 5", '"amout": there are amount, reason'),
        ("context.input has amount && context.input has amout", '"amout"'),
        ('principal has departement && principal.departement == "x"', '"departement": there are department'),
        ("context has aproved", 'context never has "aproved"'),
        ("context has approver && context.approver has departement", '"departement"'),
        ("context.now has hour", 'context.now never has "hour"'),
        ("context.read has confidental", '"confidental"'),
        ("context has consent.second", '"second": there are lasting, seconds'),
        ("context.today has total", '"total"'),
        ("resource has name", 'resource never has "name"'),
        ('context.identity == "human"', '"human": there are "Human", "Machine", "None"'),
        ('"machine" != context.identity', '"machine"'),
        ('["Human", "Robot"].contains(context.identity)', '"Robot"'),
        ('context.identity like "h*"', "context.identity"),
        ('context.read.services.contains("expence")', '"expence": there are'),
        ('context.read.services.containsAny(["expenses", "map"])', '"map"'),
        ("context.now.weekday == 0", "is from 1 to 7, and is compared to 0"),
        ("context.now.weekday > 7", "compared to 7"),
        ("[6, 0].contains(context.now.weekday)", "compared to 0"),
        ("8 <= context.now.weekday", "compared to 8"),
        ("context.now.minute >= 1500", "is from 0 to 1439, and is compared to 1500"),
        ("context.now.minute >= 1440", "compared to 1440"),
        ("context.now.minute == -1", "compared to -1"),
        ("context.today.count < 1", "is 1 or more, and is compared to 1"),
        ("context has authAge && context.authAge < 0", "is 0 or more, and is compared to 0"),
        ("context has consent && context.consent.seconds > 86400", "compared to 86400"),
        ("false", "always false"),
        ("1 == 2", "always false"),
        ("context.approved && (2 < 1)", None),
    ],
)
@pytest.mark.parametrize("keyword", ["when", "unless"])
def test_condition_that_no_call_satisfies_is_a_fault(
    tmp_path: Path, keyword: str, condition: str, named: str | None
) -> None:
    text = f"{ALL}{FORBID}\n{keyword} {{ {condition} }};\n// end"
    if named is None or (keyword == "unless" and "always false" in named):
        read(tmp_path, text, KNOWN)  # Cedar knows no more than the types of operands
        return
    [fault, *_] = faults(tmp_path, text, KNOWN)
    assert fault.startswith("2: ")
    assert named in fault


@pytest.mark.parametrize(
    "condition",
    [
        "context.now.minute >= 1320 && context.now.minute < 1440",
        "context.now.weekday >= 6 || context.now.weekday < 8",
        'context.identity == "None"',
        'context.read.services.contains("client")',
        'context.read.services.contains("maps")',
        'principal has department && principal.department == "anything"',
        "context has authAge && context.authAge >= 0",
        'context.input.reason == "any text"',
        '{"a": 1} has b || context.approved',
    ],
)
def test_condition_that_a_call_may_satisfy_is_none(tmp_path: Path, condition: str) -> None:
    read(tmp_path, f"{ALL}{FORBID}\nwhen {{ {condition} }};\n// end", KNOWN)


@pytest.mark.parametrize(
    ("condition", "named"),
    [
        ('context.input.kind == "train"', '"train": there are "air", "rail"'),
        ('context.input.seat.side == "right"', '"right": there are "left"'),
        ('context.input.extras.contains("dog")', '"dog"'),
        ("context.input.seat has colum", 'context.input.seat never has "colum": there are row, side'),
    ],
)
def test_argument_with_listed_values_is_one_of_them(tmp_path: Path, condition: str, named: str) -> None:
    [fault] = faults(tmp_path, f"{ALL}{BOOKS} when {{ {condition} }};\n// end", KNOWN)
    assert named in fault
    possible = condition.replace("train", "rail").replace("right", "left").replace("dog", "bike")
    read(tmp_path, f"{ALL}{BOOKS} when {{ {possible.replace('colum', 'row')} }};\n// end", KNOWN)


def test_source_of_an_own_node_is_no_fault(tmp_path: Path) -> None:
    rule = f'{FORBID} when {{ context.read.services.contains("retrieve") }};'
    read(tmp_path, f"{ALL}{rule}\n// end", replace(KNOWN, has_own_nodes=True))
    assert '"client"' in faults(tmp_path, f"{ALL}{rule}\n// end", KNOWN)[0]


@pytest.mark.parametrize(
    ("annotation", "named"),
    [
        ("@observed", "@observed is unknown; there are @id, @sum, @observe"),
        ('@observe("false")', "@observe must have no value"),
        ("@id", "@id must have a value"),
        ('@id("")', "@id must have a value"),
        ("@sum", "@sum must have a value"),
        ("@Observe", "@Observe is unknown"),
    ],
)
def test_annotation_that_means_nothing_is_a_fault(tmp_path: Path, annotation: str, named: str) -> None:
    [fault] = faults(tmp_path, f"{ALL}{annotation} {FORBID};\n// end", KNOWN)
    assert fault.startswith(f"2: {named}")


def test_name_that_one_of_several_tools_has_is_no_fault_before_all_are_listed(tmp_path: Path) -> None:
    writes = 'forbid (principal, action in Action::"write", resource)'
    only = replace(KNOWN, listing=frozenset())
    assert read(tmp_path, f"{ALL}{writes} when {{ context.input has amount }};\n// end", only)
    [fault] = faults(tmp_path, f"{ALL}{writes} when {{ context.input has amout }};\n// end", only)
    assert "there are amount, extras, kind, reason, report, seat" in fault
    assert read(tmp_path, f"{ALL}{writes} when {{ context.input has amout }};\n// end", KNOWN)


def test_rule_about_a_tool_of_a_server_is_checked_when_it_is_listed(tmp_path: Path) -> None:
    rule = 'forbid (principal, action == Action::"maps.weather", resource) when { context.input has town };'
    rules = read(tmp_path, f"{ALL}{rule}\n// end", KNOWN)
    city = {"type": "object", "properties": {"city": {"type": "string"}}}
    with pytest.raises(ConfigurationError) as error:
        rules.of(ToolAction("maps", "weather", Effect.EXTERNAL, city))
    assert error.value.faults == ('2: context.input never has "town": there are city',)
    town: Callable[[str], Any] = lambda name: {"type": "object", "properties": {name: {"type": "string"}}}  # noqa: E731
    assert rules.of(ToolAction("maps", "weather", Effect.EXTERNAL, town("town"))).statements


def test_rule_about_a_tool_of_another_service_is_a_fault(tmp_path: Path) -> None:
    rule = f'permit (principal, action == {SUBMIT}, resource == Service::"trips");'
    [fault] = faults(tmp_path, f"{ALL}{rule}\n// end", KNOWN)
    assert fault == '2: no tool of the rule is of the service "trips"'
    read(tmp_path, f"{ALL}{rule.replace('trips', 'expenses')}\n// end", KNOWN)
