"""A file of rules is taken whole or refused, with the lines of its faults."""

import os
from dataclasses import replace
from pathlib import Path

import pytest

from agent.errors.error_codes import AgentCode
from agent.policy.rules import Rules, Vocabulary, read_rules
from agent.policy.schema import ToolAction
from identity.errors import ConfigurationError
from tests.agent.policy.company import RULES, VOCABULARY
from tools.approval_policy import Effect

pytestmark = pytest.mark.promise("policy-decides")

ALL = '@id("all") permit (principal, action, resource);\n'


def read(folder: Path, text: str | bytes, vocabulary: Vocabulary = VOCABULARY) -> Rules:
    file = folder / "policy.cedar"
    file.write_bytes(text if isinstance(text, bytes) else text.encode())
    return read_rules(file, vocabulary)


def faults(folder: Path, text: str | bytes, vocabulary: Vocabulary = VOCABULARY) -> list[str]:
    with pytest.raises(ConfigurationError) as error:
        read(folder, text, vocabulary)
    assert error.value.code is AgentCode.POLICY_INVALID
    return list(error.value.faults)


def test_documented_file_has_at_most_twenty_lines_and_is_valid(tmp_path: Path) -> None:
    rules = read(tmp_path, RULES)
    assert len(RULES.splitlines()) <= 20
    assert [(each.line, each.name) for each in rules.statements] == [
        (1, "all"),
        (3, "ask-above-500"),
        (7, "weekdays-only"),
        (10, "finance-pays-out"),
        (13, "four-eyes"),
        (17, "daily"),
    ]


@pytest.mark.parametrize("cut", list(range(1, len(RULES.splitlines()))))
def test_file_that_is_cut_at_any_line_is_refused(tmp_path: Path, cut: int) -> None:
    assert faults(tmp_path, "\n".join(RULES.splitlines()[:cut]))


@pytest.mark.parametrize(
    ("fault", "line", "about"),
    [
        ("forbid (principal, action, resource) when { context.nothing };", 3, "nothing"),
        ('forbid (principal, action == Action::"expenses.pay", resource);', 3, 'no tool "expenses.pay"'),
        ('forbid (principal, action == Action::"nowhere.pay", resource);', 3, 'no tool "nowhere.pay"'),
        ('forbid (principal, action in Action::"wirte", resource);', 3, 'no tool "wirte"'),
        ('forbid (principal in Group::"finnance", action, resource);', 3, "finnance"),
        ('forbid (principal, action, resource == Service::"expense");', 3, "expense"),
        ("forbid (principal, action, resource) when { principal.salary > 3 };", 3, "salary"),
        ("forbid (principal, action, resource) when { context.authAge > 300 };", 3, "authAge"),
        ("forbid (principal, action, resource) when { context.read.data > 1 };", 3, "read"),
        ("forbid (principal, action, resource)\nwhen { context.approved.not() };", 3, "not"),
        ("forbid (principal, action, resource) when { context.approved", 3, 'without ";"'),
        ("forbid (principal, action resource);", 3, "unexpected"),
        ("forbid (principal == ?principal, action, resource);", 3, "template"),
        ('@id("all") forbid (principal, action, resource);', 3, "twice"),
        ('@sum("cents") forbid (principal, action == Action::"expenses.pay_out", resource);', None, "cents"),
    ],
)
def test_fault_is_named_with_its_line(tmp_path: Path, fault: str, line: int | None, about: str) -> None:
    found = faults(tmp_path, f'{ALL}// a comment with ; and "\n{fault}\n// end\n')
    assert any(about in each and (line is None or each.startswith(f"{line}: ")) for each in found), found


@pytest.mark.parametrize(
    "deep",
    [
        "(" * 50_000 + "true" + ")" * 50_000,
        "[" * 101 + "]" * 101 + " == []",
        "if true then true else " * 5_000 + "true",
        "context has a" + ".a" * 5_000,
        " || ".join(["true"] * 5_000),
    ],
)
def test_expression_that_would_end_or_block_the_process_is_refused_before_it_is_parsed(
    tmp_path: Path, deep: str
) -> None:
    text = f"{ALL}forbid (principal, action, resource) when {{ {deep} }};\n// end"
    assert faults(tmp_path, text)[0].startswith("2: a rule must have at most")


@pytest.mark.parametrize(
    "text",
    [b"", b"\xff\xfe// end", b"// end" * 200_000, f"{ALL * 1001}// end".encode(), b'"' * 5_000 + b"\n// end"],
)
def test_file_that_is_empty_huge_or_no_text_is_refused(tmp_path: Path, text: bytes) -> None:
    if text == b"":
        assert faults(tmp_path, text) == ['1: the last line must be "// end": the file may be cut off']
    assert faults(tmp_path, text)


def test_rule_after_the_end_of_a_comment_counts_whichever_the_line_break_is(tmp_path: Path) -> None:
    rule = 'forbid (principal, action == Action::"expenses.pay_out", resource);'
    for line_break in ("\n", "\r\n", "\r"):
        text = f"{ALL.strip()}{line_break}// a note{line_break}{rule}\n// end"
        assert len(read(tmp_path, text).statements) == 2


@pytest.mark.filterwarnings("error")
def test_path_that_leads_to_no_file_is_refused_at_once(tmp_path: Path) -> None:
    circle, pipe = tmp_path / "circle.cedar", tmp_path / "pipe.cedar"
    circle.symlink_to(circle)
    os.mkfifo(pipe)
    for path in (circle, pipe, tmp_path):
        with pytest.raises(ConfigurationError):
            read_rules(path, VOCABULARY)


def test_rule_about_a_tool_that_a_server_lists_is_checked_when_it_is_listed(tmp_path: Path) -> None:
    rule = (
        'forbid (principal, action == Action::"maps.weather", resource) when { context.input.city == "x" };'
    )
    rules = read(tmp_path, f"{ALL}{rule}\n// end")
    city = {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]}
    assert len(rules.of(ToolAction("maps", "weather", Effect.EXTERNAL, city)).statements) == 2
    assert rules.failure is None
    with pytest.raises(ConfigurationError, match="2: "):
        rules.of(ToolAction("maps", "weather", Effect.EXTERNAL, {"type": "object", "properties": {}}))
    assert rules.failure is not None


def test_rule_that_counts_is_refused_where_nothing_is_stored(tmp_path: Path) -> None:
    [fault] = faults(tmp_path, RULES, replace(VOCABULARY, counts=False))
    assert (
        fault == '"expenses.submit_expense": context.today needs CONVERSATIONS_URL, where calls are counted'
    )
