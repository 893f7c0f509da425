"""Callers are told, once a day for each limit over all processes, that most of it is used."""

from collections.abc import Mapping
from dataclasses import replace
from decimal import Decimal
from typing import Any

import pytest
from langchain_core.messages import AIMessage

from agent.conversations.database.database import Database, query
from agent.settings.settings import read_settings
from graph.events import Notice
from graph.notices import notices_to
from identity.errors import ConfigurationError
from plugins.budgets.daily_budget import DailyBudget
from plugins.budgets.limits import Limit
from plugins.budgets.tests.raising import ALICE, BOB, COST, DAY, LEAD, Replica
from plugins.budgets.tests.users import caller, used
from plugins.budgets.variables import BudgetVariables
from tests.agent.api.threads.served_threads import ThreadsOf
from tests.agent.conftest import NewDatabase
from tests.suite import Sandbox

pytestmark = pytest.mark.promise("bounded")

TEAM = Limit("MAX_TOKENS_FOR_GROUP_A_DAY", Decimal(1000))
ANN, BEN = (caller(name, groups=("finance",)) for name in ("ann", "ben"))


def telling(database: Database, percent: int = 80, **more: Any) -> Replica:
    """A replica that tells from `percent` on."""
    replica = Replica(database, **more)
    replica.budget = replace(replica.budget, near_percent=percent)
    return replica


async def told(replica: Replica, tokens: int, who: Any = ALICE) -> list[Notice]:
    """What `who` is told after a response of so many tokens."""
    notices: list[Notice] = []
    with notices_to(notices.append, list):
        await replica.use(who, tokens)
    return notices


def notice(code: str, text: str, **values: str | int) -> Notice:
    return Notice(type="notice", code=f"budget_near_{code}", text=text, values=dict(values))


OF_USER = notice("user_tokens", "You have used 80 % of the tokens of today (UTC).", percent=80)


async def test_user_is_told_once_that_most_of_their_tokens_is_used(database: Database) -> None:
    replica = telling(database)
    assert await told(replica, 799) == []
    assert await told(replica, 1) == [OF_USER]
    assert await told(replica, 100) == []


async def test_it_is_told_once_over_all_replicas(new_database: NewDatabase) -> None:
    first, second = telling(new_database()), telling(new_database())
    assert await told(first, 500) == []
    assert await told(second, 300) == [OF_USER]
    assert [await told(replica, 10) for replica in (first, second)] == [[], []]


async def test_nobody_else_is_told(database: Database) -> None:
    replica = telling(database)
    assert await told(replica, 800) == [OF_USER]
    assert await told(replica, 1, BOB) == []
    assert await told(replica, 799, BOB) == [OF_USER]


async def test_it_is_told_again_on_the_next_day_and_old_rows_are_deleted(database: Database) -> None:
    replica = telling(database)
    assert await told(replica, 800)
    replica.clock.now += DAY
    assert await told(replica, 800) == [OF_USER]
    replica.clock.now += 3 * DAY
    assert await told(replica, 1) == []
    [[rows]] = await database.read(lambda: query("SELECT count(*) FROM budget_notices"))
    assert rows == 0


async def test_raised_limit_counts_with_its_raise(database: Database) -> None:
    replica = telling(database)
    question = await replica.asked()
    assert await replica.raises.decide(question, LEAD, approved=True)
    assert await told(replica, 199) == []
    assert await told(replica, 1) == [OF_USER]


async def test_limit_that_was_told_before_it_was_raised_is_not_told_again(database: Database) -> None:
    replica = telling(database)
    assert await told(replica, 1000)
    refused: Any = await replica.refusal()
    assert await replica.raises.decide(refused.question, LEAD, approved=True)
    assert await told(replica, 400) == []


async def test_with_0_nobody_is_told(database: Database) -> None:
    assert await told(telling(database, 0), 1000) == []


@pytest.mark.parametrize(("percent", "tokens"), [(1, 10), (100, 1000)])
async def test_share_is_the_operators(database: Database, percent: int, tokens: int) -> None:
    replica = telling(database, percent)
    assert await told(replica, tokens - 1) == []
    assert [notice["values"] for notice in await told(replica, 1)] == [{"percent": percent}]


async def test_each_member_of_a_group_is_told_after_a_response_of_their_own(database: Database) -> None:
    replica = telling(database, limits=(), of_groups={"finance": (TEAM,)})
    assert await told(replica, 500, ANN) == []
    text = "The group finance has used {} % of the tokens of today (UTC)."
    assert await told(replica, 305, BEN) == [
        notice("group_tokens", text.format(80), percent=80, name="finance")
    ]
    assert await told(replica, 100, ANN) == [
        notice("group_tokens", text.format(90), percent=90, name="finance")
    ]
    assert [await told(replica, 1, who) for who in (ANN, BEN, ALICE)] == [[], [], []]


async def test_two_groups_of_a_user_are_two_limits(database: Database) -> None:
    replica = telling(database, limits=(), of_groups={"finance": (TEAM,), "staff": (TEAM,)})
    both = caller("cem", groups=("finance", "staff"))
    names = [notice["values"]["name"] for notice in await told(replica, 800, both)]
    assert names == ["finance", "staff"]
    assert await told(replica, 1, both) == []


async def test_client_and_its_money_are_told(database: Database) -> None:
    replica = telling(database)
    of_clients: Mapping[str, Any] = {"page": (replace(COST, setting="MAX_COST_FOR_CLIENT_A_DAY"),)}
    limits = replace(replica.budget.limits, of_user=(COST,), of_clients=of_clients)
    replica.budget = replace(replica.budget, limits=limits)
    what = "used 85 % of what the models may cost today (UTC)."
    assert await told(replica, 1700, caller("ann", client_id="page")) == [
        notice("user_money", f"You have {what}", percent=85),
        notice("client_money", f"The client page has {what}", percent=85, name="page"),
    ]


async def test_what_nobody_hears_is_told_with_the_next_response(database: Database) -> None:
    replica = telling(database)
    await replica.use(ALICE, 800)
    assert await told(replica, 0) == [OF_USER]


async def test_use_far_beyond_a_limit_has_a_bounded_share(database: Database) -> None:
    replica = telling(database, limits=(Limit("MAX_TOKENS_FOR_USER_A_DAY", Decimal(1)),))
    [of_user] = await told(replica, 10**9)
    assert of_user["values"] == {"percent": 10**6}


async def test_setting_is_from_0_to_100_and_80_without_it(sandbox: Sandbox) -> None:
    assert read_settings(sandbox.environment).of(BudgetVariables).budget_notice_percent == 80
    for wrong in ("-1", "101", "most"):
        with pytest.raises(ConfigurationError) as refused:
            read_settings(sandbox.environment | {"BUDGET_NOTICE_PERCENT": wrong})
        assert "BUDGET_NOTICE_PERCENT" in str(refused.value.detail)


@pytest.mark.parametrize(("percent", "codes"), [("", ["budget_near_user_tokens"]), ("0", [])])
async def test_person_is_told_beside_the_first_answer_that_passes_it(
    threads: ThreadsOf, percent: str, codes: list[str]
) -> None:
    variables = {"ACCESS_IDENTITY": "Machine", "MAX_TOKENS_FOR_USER_A_DAY": "30"}
    if percent:
        variables["BUDGET_NOTICE_PERCENT"] = percent
    done = AIMessage("done", usage_metadata=used(7, 5))
    served = await threads([done] * 3, **variables)
    [budget] = [budget for budget in served.agent.budgets if isinstance(budget, DailyBudget)]
    assert budget.near_percent == int(percent or 80)
    told_of_each = [
        [of["code"] for of in (await served.say("hello", name)).json().get("agent_notices", [])]
        for name in ("first", "second", "third")
    ]
    assert told_of_each == [[], codes, []]
