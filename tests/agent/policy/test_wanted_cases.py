"""The cases of docs/policy.md through the graph, in both access identities, with a real file and store."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from agent.policy.counters import CallCounters
from identity.principal import AccessIdentity
from tests.agent.policy.company import SATURDAY, Company, expense
from tests.graph.scripted_model import calls

CompanyOf = Callable[..., Company]

pytestmark = pytest.mark.promise("policy-decides")


@pytest.fixture(params=list(AccessIdentity))
def company(request: pytest.FixtureRequest, tmp_path: Path, counters: CallCounters) -> CompanyOf:
    def make(*turns: Any, **members: Any) -> Company:
        return Company(tmp_path, list(turns), request.param, counters=counters, **members)

    return make


@pytest.mark.parametrize("resume_values", [False, True])
async def test_expense_above_the_limit_asks_and_others_do_not(
    company: CompanyOf, *, resume_values: bool
) -> None:
    small = company(expense(500.0), resume_values=resume_values)
    assert await small.say() == ["done"]
    large = company(expense(500.01), resume_values=resume_values)
    assert await large.say() == []
    assert await large.asks()
    assert await large.approve() == ["done"]
    assert (small.submitted, large.submitted) == ([500.0], [500.01])


async def test_writes_are_denied_on_weekends_and_reads_are_not(company: CompanyOf) -> None:
    both = calls(("list_expenses", {}), ("submit_expense", {"amount": 5.0, "reason": "train"}))
    weekend = company(both, now=SATURDAY)
    results = await weekend.say()
    assert [tool for tool, _, _ in weekend.service.calls] == ["list_expenses"]
    assert "not run: the policy of the agent denies this call" in results


async def test_one_group_is_allowed(company: CompanyOf) -> None:
    pay_out = calls(("pay_out", {"report": "r1"}))
    finance = company(pay_out)
    finance.tokens.claims["alice"] = {"groups": ("finance", "strangers")}
    others = company(pay_out)
    others.tokens.claims["alice"] = {"groups": ("staff",)}
    assert await finance.say() == ["done"]
    assert await others.say() == ["not run: the policy of the agent denies this call"]


async def test_total_of_a_day_is_not_exceeded_and_begins_anew_the_next_day(company: CompanyOf) -> None:
    rules = company().rules.replace('decimal("500.0")', 'decimal("5000.0")')
    spends = company(rules=rules)
    results = [await spends.submit(4000.0 + n) for n in range(6)]
    assert results[:4] == ["done"] * 4
    assert set(results[4:]) == {"not run: the policy of the agent denies this call"}
    spends.now += 86_400 * 3  # Monday
    assert await spends.submit(4000.0) == "done"


async def test_another_person_of_the_group_approves_what_needs_four_eyes(company: CompanyOf) -> None:
    four_eyes = company(expense(6000.0))
    assert await four_eyes.say() == []
    assert await four_eyes.approve() == []  # the user's own answer decides nothing
    await four_eyes.approve_for("fay", "finance")
    assert await four_eyes.go_on() == ["done"]
    assert four_eyes.submitted == [6000.0]


async def test_rule_holds_for_the_person_who_has_approved(company: CompanyOf) -> None:
    not_fay = 'context.approver != principal && context.approver != User::"fay"'
    rules = company().rules.replace("context.approver != principal", not_fay)
    four_eyes = company(expense(6000.0), rules=rules)
    await four_eyes.say()
    await four_eyes.approve_for("fay", "finance")
    assert await four_eyes.go_on() == ["not run: the policy of the agent denies this call"]
    assert four_eyes.submitted == []
