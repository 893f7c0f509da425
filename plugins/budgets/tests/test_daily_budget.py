"""What a user may use of the models in a day is counted once over all processes, and no more is requested."""

import os
import signal
from collections.abc import Mapping
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from langchain_core.messages.ai import UsageMetadata

from agent.conversations.database.database import Database, query
from identity.errors import LimitError
from plugins.budgets.daily_budget import DailyBudget
from plugins.budgets.limits import DailyLimits, Limit
from plugins.budgets.prices import Price, prices_of, tokens_of
from plugins.budgets.tests.users import caller, used
from plugins.budgets.usage import UsageReader
from tests.agent.conftest import NewDatabase
from tests.forked import run

pytestmark = pytest.mark.promise("bounded")

ROOT = Path(__file__).parents[3]
ALICE, BOB = caller("alice"), caller("bob")
NOON = 1_800_014_400.0
DAY = 86_400.0
PRICES = prices_of("qwen-plus=0.8/2, qwen-max=2.4/9.6")


def limits(of: str, tokens: int | None = None, cost: Decimal | None = None) -> tuple[Limit, ...]:
    """The limits of a `USER`, a `GROUP` or a `CLIENT`."""
    both = [Limit(f"MAX_TOKENS_FOR_{of}_A_DAY", Decimal(tokens))] if tokens is not None else []
    both += [Limit(f"MAX_COST_FOR_{of}_A_DAY", cost, of_cost=True)] if cost is not None else []
    return tuple(both)


def budget(
    database: Database,
    now: float = NOON,
    tokens: int | None = None,
    cost: Decimal | None = None,
    **more: Mapping[str, tuple[Limit, ...]],
) -> DailyBudget:
    """That of each user, and of groups and clients (`of_groups`, `of_clients`)."""
    return DailyBudget(database, lambda: now, DailyLimits(limits("USER", tokens, cost), **more), PRICES)


async def add(of: DailyBudget, who: Any, model: str, used: UsageMetadata) -> None:
    """A response that has used so much."""
    await (await of.reserve(who, model, 7)).settle(used)


async def is_refused(of: DailyBudget, who: Any = ALICE) -> bool:
    try:
        reserved = await of.reserve(who, "qwen-plus", 0)
    except LimitError as error:
        return error.code == "budget_spent"
    await reserved.settle(used(0, 0))
    return False


async def test_user_is_refused_once_the_tokens_in_and_out_are_used_up(database: Database) -> None:
    of = budget(database, tokens=1000)
    await add(of, ALICE, "qwen-plus", used(900, 99))
    assert not await is_refused(of)
    await add(of, ALICE, "qwen-max", used(0, 1))
    assert await is_refused(of)
    assert not await is_refused(of, BOB)


async def test_tokens_are_counted_over_all_processes(new_database: NewDatabase) -> None:
    first, second = (budget(new_database(), tokens=1000) for _ in range(2))
    for of in (first, second):
        await add(of, ALICE, "qwen-plus", used(400, 100))
    assert await is_refused(first)
    assert await is_refused(second)


async def test_day_ends_at_midnight_utc(database: Database) -> None:
    await add(budget(database, tokens=1000), ALICE, "qwen-plus", used(1000, 0))
    midnight = NOON + DAY / 2
    assert await is_refused(budget(database, midnight - 1, tokens=1000))
    assert not await is_refused(budget(database, midnight, tokens=1000))


async def test_refusal_says_when_the_day_ends_and_which_variable_bounds_it(database: Database) -> None:
    of = budget(database, NOON - 10, tokens=1)
    await add(of, ALICE, "qwen-plus", used(1, 0))
    with pytest.raises(LimitError) as refused:
        await of.reserve(ALICE, "qwen-plus", 1)
    assert refused.value.retry_after == DAY / 2 + 10
    assert "raise MAX_TOKENS_FOR_USER_A_DAY" in refused.value.row.remedy
    assert "MAX_TOKENS" not in refused.value.for_person()


async def test_counts_are_deleted_two_days_later(database: Database) -> None:
    await add(budget(database, tokens=1), ALICE, "qwen-plus", used(1, 0))
    await add(budget(database, NOON + 3 * DAY, tokens=1), BOB, "qwen-plus", used(1, 0))
    [[rows]] = await database.read(lambda: query("SELECT count(*) FROM model_usage"))
    assert rows == 1


@pytest.mark.parametrize(("model", "cost"), [("qwen-plus", "2.8"), ("qwen-max", "12"), ("another", "12")])
async def test_user_is_refused_once_the_money_is_used_up_by_the_price_of_each_model(
    database: Database, model: str, cost: str
) -> None:
    spent = Decimal(cost)
    await add(budget(database, cost=spent), ALICE, model, used(1_000_000, 1_000_000))
    assert await is_refused(budget(database, cost=spent))
    assert not await is_refused(budget(database, cost=spent + Decimal("0.000001")))


@pytest.mark.parametrize(("moment", "tokens"), [("in the middle", 900), ("at the end", 1000)])
async def test_response_of_a_run_that_is_killed_is_counted_once(
    database_address: str, new_database: NewDatabase, moment: str, tokens: int
) -> None:
    program = ["python", "-m", "plugins.budgets.tests.killed_run", database_address, str(NOON), moment]
    status, output = run(program, dict(os.environ), ROOT)
    assert status == -signal.SIGKILL, output
    database = new_database()
    assert await is_refused(budget(database, tokens=tokens))
    assert not await is_refused(budget(database, tokens=tokens + 1))


async def test_settled_response_counts_for_the_day_of_its_request(database: Database) -> None:
    before = await budget(database, NOON, tokens=1000).reserve(ALICE, "qwen-plus", 900)
    await before.settle(used(10, 990))
    assert await is_refused(budget(database, NOON, tokens=1000))
    assert not await is_refused(budget(database, NOON + DAY, tokens=1000))


async def test_settling_after_the_counts_were_erased_gives_nothing_back(database: Database) -> None:
    of = budget(database, tokens=1000)
    reserved = await of.reserve(ALICE, "qwen-plus", 900)
    await database.write(lambda: query("DELETE FROM model_usage"))
    await reserved.settle(used(0, 999))
    assert not await is_refused(of)
    await add(of, ALICE, "qwen-plus", used(1, 0))
    assert await is_refused(of)


FINANCE = {"of_groups": {"finance": limits("GROUP", 1000)}}


async def test_members_of_a_group_use_its_tokens_together(database: Database) -> None:
    ann, ben, cem = caller("ann", groups=("finance", "staff")), caller("ben", groups="finance"), caller("cem")
    of = budget(database, tokens=900, **FINANCE)
    await add(of, ann, "qwen-plus", used(600, 0))
    await add(of, cem, "qwen-plus", used(600, 0))
    assert not await is_refused(of, ann)
    await add(of, ben, "qwen-plus", used(400, 0))
    with pytest.raises(LimitError) as refused:
        await of.reserve(ann, "qwen-plus", 1)
    assert "raise MAX_TOKENS_FOR_GROUP_A_DAY" in refused.value.row.remedy
    assert not await is_refused(of, cem)


async def test_strictest_of_all_limits_of_a_user_counts(database: Database) -> None:
    ann = caller("ann", groups=("finance",))
    await add(budget(database, **FINANCE), ann, "qwen-plus", used(500, 0))
    assert await is_refused(budget(database, tokens=500, **FINANCE), ann)
    assert await is_refused(budget(database, tokens=501, of_groups={"finance": limits("GROUP", 500)}), ann)
    assert not await is_refused(budget(database, tokens=501, **FINANCE), ann)


@pytest.mark.parametrize("claim", ["client_id", "azp"])
async def test_users_of_a_client_use_its_money_together_with_the_client_itself(
    database: Database, claim: str
) -> None:
    ann, job = caller("ann", **{claim: "page"}), caller("page", is_client=True)
    of = budget(database, of_clients={"page": limits("CLIENT", cost=Decimal(2))})
    for who in (ann, job):
        await add(of, who, "qwen-plus", used(0, 500_000))
    assert await is_refused(of, ann)
    assert await is_refused(of, job)
    assert not await is_refused(of, caller("ann", **{claim: "another"}))
    assert not await is_refused(of, caller("page"))


async def test_facts_of_today_are_what_a_user_has_used(database: Database) -> None:
    await add(budget(database), ALICE, "qwen-plus", used(1_000_000, 1_000_000))
    read = UsageReader(database, lambda: NOON, PRICES)
    assert await read(ALICE.principal) == {"tokens": 2_000_000, "cost": Decimal("2.8")}
    assert await read(BOB.principal) == {"tokens": 0, "cost": 0}
    assert await UsageReader(database, lambda: NOON + DAY, {})(ALICE.principal) == {"tokens": 0}


async def test_both_clients_that_a_token_names_are_limited(database: Database) -> None:
    ann = caller("ann", client_id="gateway", azp="page")
    of = budget(database, of_clients={"page": limits("CLIENT", cost=Decimal(2))})
    await add(of, ann, "qwen-plus", used(0, 1_000_000))
    assert await is_refused(of, ann)


def test_spaces_around_names_and_numbers_do_not_count() -> None:
    assert tokens_of("finance = 5, staff =6") == {"finance": 5, "staff": 6}
    assert prices_of("a = 1/2") == {"a": Price(Decimal(1), Decimal(2))}


@pytest.mark.parametrize(
    "text", ["", "qwen-plus", "qwen-plus=1", "qwen-plus=1/x", "=1/2", "a=1/2,a=1/2", "a=-1/2", "a=1e9/2"]
)
def test_prices_of_another_form_are_refused(text: str) -> None:
    with pytest.raises(ValueError, match="must have models and two prices"):
        prices_of(text)
