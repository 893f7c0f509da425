"""The mode of a call follows from the policy of its tool, its arguments and its access identity."""

from typing import Any

import pytest

from identity.principal import AccessIdentity
from tools.approval_policy import After, ApprovalMode, ArgumentRule, Effect, ToolPolicy
from tools.lasting import Lasting

HUMAN, MACHINE = AccessIdentity.HUMAN, AccessIdentity.MACHINE
ALLOW, ASK, DENY = ApprovalMode.ALLOW, ApprovalMode.ASK, ApprovalMode.DENY


@pytest.mark.parametrize(
    ("effect", "access_identity", "mode"),
    [
        (Effect.READ, HUMAN, ALLOW),
        (Effect.READ, MACHINE, ALLOW),
        (Effect.READ, None, ALLOW),
        (Effect.WRITE, HUMAN, ASK),
        (Effect.WRITE, MACHINE, DENY),
        (Effect.WRITE, None, DENY),
        (Effect.EXTERNAL, HUMAN, ASK),
        (Effect.EXTERNAL, MACHINE, DENY),
        (Effect.EXTERNAL, None, DENY),
        (Effect.UNKNOWN, HUMAN, ASK),
        (Effect.UNKNOWN, MACHINE, ASK),
        (Effect.UNKNOWN, None, ASK),
    ],
)
def test_effect_and_access_identity_decide_without_a_declared_mode(
    effect: Effect, access_identity: AccessIdentity | None, mode: ApprovalMode
) -> None:
    assert ToolPolicy(effect).mode_for({}, access_identity) is mode


def test_declared_mode_replaces_the_default() -> None:
    assert ToolPolicy(Effect.WRITE, ALLOW).mode_for({}, MACHINE) is ALLOW
    assert ToolPolicy(Effect.READ, ASK).mode_for({}, MACHINE) is ASK


@pytest.mark.parametrize(
    ("rule", "arguments", "mode"),
    [
        (ArgumentRule("amount", ">", 500), {"amount": 501}, ASK),
        (ArgumentRule("amount", ">", 500), {"amount": 500}, ALLOW),
        (ArgumentRule("amount", ">=", 500), {"amount": 500.0}, ASK),
        (ArgumentRule("amount", "<", 0), {"amount": -0.5}, ASK),
        (ArgumentRule("amount", "<=", 0), {"amount": 1}, ALLOW),
        (ArgumentRule("order.amount", ">", 5, DENY), {"order": {"amount": 6}}, DENY),
        (ArgumentRule("currency", "!=", "CNY"), {"currency": "CNY"}, ALLOW),
        (ArgumentRule("currency", "!=", "CNY"), {"currency": "cny"}, ASK),
        (ArgumentRule("force", "==", True, DENY), {"force": True}, DENY),
        (ArgumentRule("force", "==", True, DENY), {"force": False}, ALLOW),
    ],
)
def test_rule_restricts_the_calls_that_it_matches(
    rule: ArgumentRule, arguments: dict[str, Any], mode: ApprovalMode
) -> None:
    assert ToolPolicy(Effect.WRITE, ALLOW, (rule,)).mode_for(arguments, HUMAN) is mode


@pytest.mark.parametrize(
    ("argument", "given"),
    [
        *(("amount", each) for each in ({}, {"amount": None}, {"amount": "1"}, {"amount": True})),
        *(("amount", each) for each in ({"amount": [1]}, {"Amount": 1})),
        *(
            ("order.amount", each)
            for each in ({"order": 1}, {"order": {}}, {"order.amount": 1}, {"order": [1]})
        ),
    ],
)
def test_rule_that_cannot_be_evaluated_asks(argument: str, given: dict[str, Any]) -> None:
    policy = ToolPolicy(Effect.WRITE, ALLOW, (ArgumentRule(argument, ">", 500, DENY),))
    assert policy.mode_for(given, HUMAN) is ASK


def test_strictest_of_mode_and_rules_wins() -> None:
    ask, deny = ArgumentRule("amount", ">", 1), ArgumentRule("amount", ">", 100, DENY)
    policy = ToolPolicy(Effect.WRITE, ALLOW, (deny, ask))
    assert [policy.mode_for({"amount": n}, HUMAN) for n in (1, 2, 101)] == [ALLOW, ASK, DENY]


@pytest.mark.parametrize(
    "declared",
    [
        ("", ">", 1),
        ("a..b", ">", 1),
        ("a", "=~", "x"),
        ("a", ">", True),
        ("a", ">", float("nan")),
        ("a", ">", 1, ALLOW),
    ],
)
def test_rule_that_restricts_no_call_cannot_be_declared(declared: Any) -> None:
    with pytest.raises(ValueError, match=r"must|only"):
        ArgumentRule(*declared)


LIMIT = ArgumentRule("amount", ">", 500)
FORBIDS = ArgumentRule("amount", ">", 500, DENY)
ANYWHERE = Lasting(60, conversation_only=False)


@pytest.mark.promise("another-decides")
@pytest.mark.parametrize(
    ("members", "named"),
    [
        ({"effect": Effect.READ, "approvers": "finance"}, "approvers"),
        ({"effect": Effect.WRITE, "mode": ALLOW, "approvers": "finance"}, "approvers"),
        ({"effect": Effect.READ, "rules": (FORBIDS,), "approvers": "finance"}, "approvers"),
        ({"effect": Effect.WRITE, "mode": DENY, "approvers": "finance"}, "approvers"),
        ({"effect": Effect.WRITE, "mode": DENY, "lasting": Lasting(60)}, "lasting"),
        ({"effect": Effect.WRITE, "mode": DENY, "rules": (FORBIDS,)}, "rules"),
        ({"effect": Effect.WRITE, "mode": DENY, "after": After(confidential=ALLOW)}, "after"),
        ({"effect": Effect.WRITE, "mode": DENY, "sum": "amount"}, "sum"),
        ({"effect": Effect.WRITE, "mode": ASK, "rules": (LIMIT,)}, "rule"),
        ({"effect": Effect.WRITE, "rules": (FORBIDS, LIMIT)}, "rule"),
        ({"effect": Effect.WRITE, "approvers": "finance", "lasting": Lasting(60)}, "lasting"),
        ({"effect": Effect.EXTERNAL, "lasting": ANYWHERE}, "conversation_only"),
    ],
)
def test_member_that_another_member_disables_is_an_error(members: dict[str, Any], named: str) -> None:
    with pytest.raises(ValueError, match=rf"^{named}|no {named}"):
        ToolPolicy(**members)


@pytest.mark.parametrize(
    "members",
    [
        {"effect": Effect.READ, "mode": ASK, "approvers": "finance"},
        {"effect": Effect.READ, "rules": (LIMIT,), "approvers": "finance"},
        {"effect": Effect.WRITE, "approvers": "finance"},
        {"effect": Effect.WRITE, "mode": ALLOW, "lasting": ANYWHERE},  # POLICY_FILE may ask
        {"effect": Effect.WRITE, "rules": (FORBIDS,), "lasting": Lasting(60)},
    ],
)
def test_members_that_each_have_an_effect_are_a_policy(members: dict[str, Any]) -> None:
    assert ToolPolicy(**members).effect is members["effect"]
