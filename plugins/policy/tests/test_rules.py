"""A file of rules is taken whole or refused, with the lines of its faults."""

import json
import os
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from cachetools import LRUCache
from cedarpy import PolicySet, Schema, is_authorized
from hypothesis import given
from hypothesis import strategies as st

from agent.errors.error_codes import AgentCode
from graph.approvals.policy import Allow, Facts
from graph.approvals.record import Approver
from identity.errors import ConfigurationError
from identity.principal import Principal
from plugins.policy import decision
from plugins.policy.decision import decide
from plugins.policy.rules import Rules, read_rules
from plugins.policy.schema import ToolAction, Vocabulary
from plugins.policy.situation import Situation
from plugins.policy.tests.company import RULES, VOCABULARY
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
        ('forbid (principal, action, resource) when { action == Action::"write" };', 3, "action in"),
        ('forbid (principal, action, resource) when { [Action::"write"].contains(action) };', 3, "action in"),
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
        "||".join(["true"] * 1_000),  # deeper than Python's readers of JSON follow
        "||".join(["true"] * 70),
    ],
)
def test_expression_that_would_end_or_block_the_process_is_refused_before_it_is_parsed(
    tmp_path: Path, deep: str
) -> None:
    text = f"{ALL}forbid (principal, action, resource) when {{ {deep} }};\n// end"
    limit = "some 50 parts" if "||" in deep and len(deep) < 10_000 else "100 levels"
    assert faults(tmp_path, text)[0].startswith(f"2: a rule must have at most {limit}")


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


def test_rule_about_a_fact_of_today_is_refused_where_nobody_counts_it(tmp_path: Path) -> None:
    rules = f"{ALL}forbid (principal, action, resource) when {{ context.today.tokens > 5 }};\n// end"
    assert any("`today.tokens`" in fault for fault in faults(tmp_path, rules))
    counting = replace(VOCABULARY, facts_of_today={"tokens": int})
    assert read(tmp_path, rules, counting).statements
    assert read(tmp_path, rules.replace("today.tokens > 5", "today has tokens"), counting).statements


def test_rule_that_counts_is_refused_where_nothing_is_stored(tmp_path: Path) -> None:
    [fault] = faults(tmp_path, RULES, replace(VOCABULARY, counts=False))
    assert (
        fault == '"expenses.submit_expense": context.today needs CONVERSATIONS_URL, where calls are counted'
    )


SUBMIT = 'Action::"expenses.submit_expense"'
SUMS = (
    f'@sum("amount") forbid (principal, action == {SUBMIT}, resource)'
    ' when { context.today.sum.lessThan(decimal("-1.0")) };'
)
SCHEMA = """
entity Group enum ["finance", "staff"];
entity User in [Group] = { department?: String };
entity Service enum ["expenses", "maps"];
action "read", "write", "external", "unknown", "expenses.pay_out";
action "expenses.submit_expense" in ["write"] appliesTo { principal: User, resource: Service, context: {
  input: { amount: decimal, reason: String }, identity: String, approved: Bool, approver?: User,
  authAge?: Long, consent?: { lasting: Bool, seconds: Long },
  now: { time: datetime, minute: Long, weekday: Long },
  read: { confidential: Bool, untrusted: Bool, services: Set<String> },
  today: { count: Long, sum: decimal } } };
"""
MEMBERS = frozenset(
    "input identity approved approver authAge consent now time read today".split()  # noqa: SIM905
)
CONDITIONS = (
    *("true", "context.approved", "context.now.minute == 600", "context.now.weekday >= 6"),
    'context.now.time > datetime("2026-11-27T00:00:00Z")',
    "context.now == context.now && context.now.weekday == 5",
    "(if context.approved then context.now else context.now).minute > 601",
    "[context].contains(context) && context.read.untrusted",
    'context.input.amount.greaterThan(decimal("9.0"))',
    'context.input.reason like "t*"',
    'context.identity == "Human"',
    "context has approver && context.approver != principal",
    'context has approver && context.approver in Group::"finance"',
    "context has authAge && context.authAge <= 300",
    'context.input == {amount: decimal("9.5"), reason: "train"}',
    'context.now == {time: datetime("2026-11-27T10:00:00Z"), minute: 600, weekday: 5}',
    '[decimal("1.0"), decimal("9.5")].contains(context.input.amount)',
    'decimal("-0.5").lessThanOrEqual(context.today.sum) && context.today.sum.lessThan(decimal("9.5"))',
    'context.input.amount.greaterThanOrEqual(decimal("9.5"))',
    '{".": context.now.minute, "Var": "context"} has "."',
    "context has consent.lasting && context.consent.seconds <= 3600",
    'context.read.services.contains("maps")',
    'context.today.sum.greaterThan(decimal("5.0"))',
    *("context.today.count > 3", "context.today.count * 9223372036854775807 > 0"),
    *('principal in Group::"finance"', 'principal has department && principal.department == "sales"'),
    *('action in Action::"write"', f"action == {SUBMIT}", 'action == Action::"expenses.pay_out"'),
)
RULE = st.builds(
    "{} (principal{}, action{}, resource{}) {} {{ {} }};".format,
    st.sampled_from(["permit", "forbid"]),
    st.sampled_from(["", ' == User::"alice"', ' in Group::"finance"', " is User"]),
    st.sampled_from(
        [
            *("", f" == {SUBMIT}", ' == Action::"expenses.pay_out"', ' == Action::"write"'),
            *(' in Action::"write"', ' in Action::"read"', f' in [Action::"read", {SUBMIT}]'),
        ]
    ),
    st.sampled_from(["", ' == Service::"expenses"', ' == Service::"maps"']),
    st.sampled_from(["when", "unless"]),
    st.recursive(
        st.sampled_from(CONDITIONS).map("({})".format),
        lambda each: st.builds(
            "({}{} {})".format,
            st.sampled_from(["", "!"]),
            each,
            st.tuples(st.sampled_from(["&&", "||"]), each).map(" ".join),
        ),
        max_leaves=4,
    ),
)
SITUATION = st.builds(
    Situation,
    subject=st.sampled_from(["alice", "bob"]),
    groups=st.sampled_from([frozenset[str](), frozenset({"finance"}), frozenset({"staff", "finance"})]),
    claims=st.sampled_from([{}, {"department": "sales"}]),
    identity=st.sampled_from(["Human", "Machine"]),
    arguments=st.fixed_dictionaries(
        {"amount": st.sampled_from([1, 9.5, 0.00001]), "reason": st.sampled_from(["train", "a bus"])}
    ),
    now=st.sampled_from([datetime(2026, 11, 27, 10, tzinfo=UTC), datetime(2026, 11, 28, 10, 5, tzinfo=UTC)]),
    sign_in_age=st.sampled_from([None, 100, 400]),
    calls=st.integers(1, 5),
    amount=st.sampled_from([10_000, 95_000]),
    read=st.sampled_from([{}, {"maps.weather": "confidential", "wiki.page": "untrusted"}]),
)
FACTS = st.builds(
    Facts,
    approved=st.booleans(),
    approver=st.sampled_from(
        [None, *(Approver(Principal("", name), frozenset({"finance"})) for name in ("alice", "fay"))]
    ),
    lasting=st.sampled_from([None, 60, 7200]),
)


def checked(schema: Schema, request: dict[str, Any], *given: Any) -> Any:
    """Cedar's own evaluation, with decimals, of a context that it checks."""
    context = json.loads(request["context"])
    for record, name in ((context["input"], "amount"), (context["today"], "sum")):
        record[name] = f"{record[name] / 10_000:.4f}"
    return is_authorized({**request, "context": context}, *given, schema)


def fits_a_call(folder: Path, text: str, known: Vocabulary) -> bool:
    """Whether a rule may be satisfied, as far as Cedar and the agent know."""
    try:
        read(folder, f"{SUMS}\n{text}\n// end", known)
    except ConfigurationError as error:
        reasons = ("applicable action", "always false", "no tool of the rule")
        assert all(any(each in fault for each in reasons) for fault in error.faults)  # noqa: PT017
        return False
    return True


@given(st.lists(RULE, max_size=5), SITUATION, FACTS)
def test_decision_by_what_is_about_the_call_is_that_by_all_rules_and_the_whole_context(
    tmp_path_factory: pytest.TempPathFactory, texts: list[str], situation: Situation, facts: Facts
) -> None:
    action = VOCABULARY.actions["expenses.submit_expense"]
    known = replace(VOCABULARY, actions={action.name: action}, names=frozenset({"expenses.pay_out"}))
    folder = tmp_path_factory.getbasetemp()
    texts = [each for each in texts if fits_a_call(folder, each, known)]
    rules = read(folder, "\n".join([SUMS, *texts, "// end"]), known)
    found = rules.of(action)
    texts = [each.text for each in rules.statements]
    names = {f"policy{number}": each.name for number, each in enumerate(rules.statements)}
    schema = Schema.from_str(SCHEMA)
    whole = replace(found, schema=schema, members=MEMBERS, entities=LRUCache(8))
    everything: Any = SimpleNamespace(**vars(found.enforced))
    everything.set, everything.names = PolicySet.from_str("\n".join(texts)), names
    everything.outcomes = LRUCache(8)
    decided = decide(found.enforced, found, situation, facts)
    with pytest.MonkeyPatch.context() as patched:  # Cedar checks what it is given
        patched.setattr(decision, "is_authorized", partial(checked, schema))
        assert decided == decide(everything, whole, situation, facts)


def test_known_outcome_counts_for_no_other_call_person_or_consent(tmp_path: Path) -> None:
    conditions = (
        'principal == User::"alice"',
        'principal in Group::"finance"',
        'context.input.amount.lessThan(decimal("9.5"))',
        "context.now.weekday < 6",
        "context.approved",
        'context has approver && context.approver in Group::"finance"',
    )
    texts = [
        f'@id("{number}") permit (principal, action == {SUBMIT}, resource) when {{ {condition} }};'
        for number, condition in enumerate(conditions)
    ]
    of_tool = read(tmp_path, "\n".join([*texts, "// end"])).of(VOCABULARY.actions["expenses.submit_expense"])
    friday = datetime(2026, 11, 27, 10, tzinfo=UTC)
    cases = [
        (Situation(subject=subject, identity="Human", now=now, groups=groups, arguments=arguments), facts)
        for subject in ("alice", "bob")
        for now in (friday, friday + timedelta(days=1))
        for groups in (frozenset[str](), frozenset({"finance"}))
        for arguments in ({"amount": 5, "reason": "train"}, {"amount": 10, "reason": "train"})
        for facts in (
            Facts(),
            Facts(approved=True),
            Facts(approved=True, approver=Approver(Principal("", "fay"), frozenset({"finance"}))),
        )
    ]
    evaluated = []
    for case in cases:
        of_tool.enforced.outcomes.clear()
        evaluated.append(decide(of_tool.enforced, of_tool, *case))
    assert [decide(of_tool.enforced, of_tool, *case) for case in cases] == evaluated
    known = dict(of_tool.enforced.outcomes)
    assert [decide(of_tool.enforced, of_tool, *case) for case in reversed(cases)] == evaluated[::-1]
    assert of_tool.enforced.outcomes.keys() == known.keys()


@pytest.mark.parametrize(
    ("function", "allowed"),
    [
        ("lessThan", [9.4999]),
        ("lessThanOrEqual", [9.4999, 9.5]),
        ("greaterThan", [9.5001]),
        ("greaterThanOrEqual", [9.5, 9.5001]),
    ],
)
def test_decimals_are_compared_to_the_last_of_four_digits(
    tmp_path: Path, function: str, allowed: list[float]
) -> None:
    condition = f'context.input.amount.{function}(decimal("9.5"))'
    text = f"permit (principal, action == {SUBMIT}, resource) when {{ {condition} }};\n// end"
    rules = read(tmp_path, text)
    of_tool = rules.of(VOCABULARY.actions["expenses.submit_expense"])
    situation = Situation(subject="alice", identity="Human", now=datetime(2026, 11, 27, tzinfo=UTC))

    def is_allowed(amount: float) -> bool:
        called = replace(situation, arguments={"amount": amount, "reason": "train"})
        return isinstance(decide(of_tool.enforced, of_tool, called, Facts()), Allow)

    assert [amount for amount in (9.4999, 9.5, 9.5001) if is_allowed(amount)] == allowed
