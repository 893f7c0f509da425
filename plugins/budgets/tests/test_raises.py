"""An approver may raise a limit that is reached: once, by a known amount, for one day and one budget."""

import asyncio
import os
import signal
from dataclasses import replace
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from agent.conversations.database.database import Database, query
from agent.conversations.encryption.encryption import Encryption
from identity.access_token.sealed_caller import SealingKeys
from identity.audit.event import AuditedAction
from identity.errors import AccessTokenError, ApprovalError, AuditError
from plugins.budgets.limit_raise import RaiseAskedError
from plugins.budgets.limits import Limit
from plugins.budgets.tests.raising import ALICE, BOB, COST, DAY, LEAD, NOON, TOKENS, Replica
from plugins.budgets.tests.users import caller
from plugins.budgets.variables import BudgetVariables
from tests.agent.conftest import NewDatabase
from tests.forked import run

pytestmark = pytest.mark.promise("bounded", "another-decides")

ROOT = Path(__file__).parents[3]
TEAM = Limit("MAX_TOKENS_FOR_GROUP_A_DAY", Decimal(1000))


async def code_of(replica: Replica, who: Any = ALICE) -> str | None:
    refused = await replica.refusal(who)
    return None if refused is None else refused.code.value


async def test_limit_that_is_reached_asks_once_over_all_replicas(new_database: NewDatabase) -> None:
    first, second = Replica(new_database()), Replica(new_database())
    question = await first.asked()
    refused = await second.refusal()
    assert isinstance(refused, RaiseAskedError)
    assert (refused.question, refused.code.value) == (question, "budget_raise_asked")
    assert question in refused.for_person()
    assert "raise MAX_TOKENS_FOR_USER_A_DAY" in refused.row.remedy
    assert (len(first.announced), len(second.announced)) == (1, 0)
    assert [len(await replica.raises.waiting(LEAD)) for replica in (first, second)] == [1, 1]


async def test_approver_reads_whose_limit_it_is_and_by_how_much_it_is_raised(database: Database) -> None:
    replica = Replica(database)
    await replica.asked()
    [announced] = replica.announced
    assert announced.pending.arguments == {
        "budget": "user alice",
        "day": "2027-01-15",
        "limit": "1000 tokens",
        "raise_by": "500 tokens",
    }
    assert announced.text == (
        "alice has used up 1000 tokens of today (user alice). May it be 500 tokens more?"
    )
    assert await announced.is_open()


async def test_approved_raise_counts_once_at_every_replica(new_database: NewDatabase) -> None:
    first, second = Replica(new_database()), Replica(new_database())
    question = await first.asked()
    assert await second.raises.decide(question, LEAD, approved=True)
    assert not await first.announced[0].is_open()
    assert await first.left() == 500
    assert [await code_of(replica) for replica in (first, second)] == ["budget_spent"] * 2
    assert await first.raises.waiting(LEAD) == []


async def test_decision_that_is_sent_again_changes_nothing(new_database: NewDatabase) -> None:
    first, second = Replica(new_database()), Replica(new_database())
    question = await first.asked()
    other = caller("other", groups=("leads",))
    decisions = [
        replica.raises.decide(question, who, approved=True)
        for replica, who in ((first, LEAD), (second, other))
    ]
    outcomes = await asyncio.gather(*decisions, return_exceptions=True)
    assert sorted(type(outcome).__name__ for outcome in outcomes) == ["ApprovalError", "bool"]
    for approved in (True, False):
        with pytest.raises(ApprovalError) as refused:
            await second.raises.decide(question, LEAD, approved=approved)
        assert refused.value.code == "approval_used"
    assert await first.left() == 500


async def test_rejected_raise_leaves_the_limit_and_is_not_asked_again(database: Database) -> None:
    replica = Replica(database)
    question = await replica.asked()
    assert await replica.raises.decide(question, LEAD, approved=False)
    assert await code_of(replica) == "budget_spent"
    assert len(replica.announced) == 1


@pytest.mark.parametrize("approved", [True, False])
@pytest.mark.parametrize(
    "who",
    [
        pytest.param(BOB, id="of no group"),
        pytest.param(caller("eve", groups=("staff",)), id="of another group"),
        pytest.param(caller("alice", groups=("leads",)), id="the asker, who is an approver"),
    ],
)
async def test_nobody_but_another_approver_sees_or_decides_it(
    database: Database, who: Any, approved: bool
) -> None:
    replica = Replica(database)
    question = await replica.asked()
    assert await replica.raises.waiting(who) == []
    assert not await replica.raises.decide(question, who, approved=approved)
    assert await code_of(replica) == "budget_raise_asked"
    assert replica.records.outcomes == [("approval_requested", "succeeded")]


async def test_store_refuses_a_decision_of_the_asker(database: Database) -> None:
    replica = Replica(database)
    question = await replica.asked()
    own = replica.raises._approver(caller("alice", groups=("leads",)))
    with pytest.raises(ApprovalError):
        await replica.raises.store.decide(question, own, approved=True, at=NOON)
    assert await code_of(replica) == "budget_raise_asked"


async def test_client_and_expired_token_decide_nothing(database: Database) -> None:
    replica = Replica(database)
    question = await replica.asked()
    with pytest.raises(ApprovalError):
        await replica.raises.decide(question, caller("job", is_client=True, groups=("leads",)), approved=True)
    expired = caller("lead", groups=("leads",), expires_at=NOON)
    with pytest.raises(AccessTokenError):
        await replica.raises.decide(question, expired, approved=True)
    assert await code_of(replica) == "budget_raise_asked"


async def test_manager_whom_the_claim_of_a_user_names_is_asked(database: Database) -> None:
    replica = Replica(database, approvers="claim:manager")
    ann = caller("ann", manager="boss")
    question = await replica.asked(ann)
    assert not await replica.raises.decide(question, LEAD, approved=True)
    assert await replica.raises.decide(question, caller("boss"), approved=True)
    assert await replica.left(ann) == 500


@pytest.mark.parametrize("claims", [{}, {"manager": "cem"}], ids=["no manager", "their own manager"])
async def test_user_without_another_person_as_manager_is_refused_until_midnight(
    database: Database, claims: dict[str, Any]
) -> None:
    replica = Replica(database, approvers="claim:manager")
    cem = caller("cem", **claims)
    await replica.use(cem, 1000)
    assert await code_of(replica, cem) == "budget_spent"
    assert replica.records.events == []


async def test_question_ends_with_its_day(database: Database) -> None:
    replica = Replica(database)
    question = await replica.asked()
    replica.clock.now = NOON + DAY / 2
    assert await replica.raises.waiting(LEAD) == []
    with pytest.raises(ApprovalError) as refused:
        await replica.raises.decide(question, LEAD, approved=True)
    assert refused.value.code == "approval_expired"
    assert await replica.left() == 1000


async def test_raise_counts_on_its_day_alone(database: Database) -> None:
    replica = Replica(database)
    question = await replica.asked()
    replica.clock.now = NOON + DAY / 2 - 1
    assert await replica.raises.decide(question, LEAD, approved=True)
    assert await code_of(replica) is None
    replica.clock.now += 1
    assert await replica.left() == 1000
    assert await code_of(replica) == "budget_raise_asked"


async def test_raise_is_of_its_user_alone(database: Database) -> None:
    replica = Replica(database)
    assert await replica.raises.decide(await replica.asked(), LEAD, approved=True)
    assert await replica.left(BOB) == 1000


async def test_raise_of_tokens_raises_no_money(database: Database) -> None:
    replica = Replica(database, limits=(TOKENS, replace(COST, most=Decimal("1.2"))))
    assert await replica.raises.decide(await replica.asked(), LEAD, approved=True)
    assert await replica.left() == 200
    refused = await replica.refusal()
    assert isinstance(refused, RaiseAskedError)
    assert refused.settings == ("MAX_COST_FOR_USER_A_DAY",)
    assert replica.announced[-1].pending.arguments["raise_by"] == "0.6 of money"


async def test_limit_of_a_group_is_raised_for_all_by_anybody_but_the_one_who_asked(
    database: Database,
) -> None:
    replica = Replica(database, limits=(), of_groups={"finance": (TEAM,)})
    ann, ben = (caller(name, groups=("finance", "leads")) for name in ("ann", "ben"))
    question = await replica.asked(ann)
    assert await code_of(replica, ben) == "budget_raise_asked"
    assert not await replica.raises.decide(question, ann, approved=True)
    assert await replica.raises.decide(question, ben, approved=True)
    assert await replica.left(ann) == 500
    assert await code_of(replica, ben) == "budget_spent"


async def test_raise_is_as_large_as_it_was_asked_and_the_only_one(new_database: NewDatabase) -> None:
    asked = Replica(new_database())
    question = await asked.asked()
    later = Replica(new_database(), percent=1000)
    assert await later.raises.decide(question, LEAD, approved=True)
    assert await later.left() == 500
    assert await code_of(later) == "budget_spent"


async def test_raise_of_a_small_limit_of_tokens_is_rounded_down_to_one_at_least(database: Database) -> None:
    replica = Replica(database, limits=(replace(TOKENS, most=Decimal(1)),))
    await replica.asked()
    assert replica.announced[0].pending.arguments["raise_by"] == "1 tokens"


async def test_without_approvers_of_now_no_raise_counts(database: Database) -> None:
    replica = Replica(database)
    assert await replica.raises.decide(await replica.asked(), LEAD, approved=True)
    replica.budget = replace(replica.budget, raises=None)
    assert await code_of(replica) == "budget_spent"


@pytest.mark.parametrize(
    "change",
    [
        "UPDATE budget_raises SET status = 'approved'",
        "UPDATE budget_raises SET status = 'approved', body = (SELECT body FROM budget_raises WHERE id <> ?)",
    ],
    ids=["status", "another body"],
)
async def test_row_that_another_program_has_written_raises_nothing(
    new_database: NewDatabase, change: str
) -> None:
    encryption = Encryption(SealingKeys.of("A" * 43))
    replica = Replica(new_database(encryption), encryption=encryption)
    assert await replica.raises.decide(await replica.asked(BOB), LEAD, approved=True)
    question = await replica.asked()
    values = [question] * change.count("?")
    await replica.database.write(lambda: query(f"{change} WHERE id = '{question}'", *values))
    spent = await replica.database.read(
        lambda: replica.raises.store.counted("2027-01-15", replica.budget.limits.budgets_of(ALICE)[0].owner)
    )
    assert spent == []


async def test_approved_raise_that_is_moved_to_another_day_raises_nothing(new_database: NewDatabase) -> None:
    encryption = Encryption(SealingKeys.of("A" * 43))
    replica = Replica(new_database(encryption), encryption=encryption)
    assert await replica.raises.decide(await replica.asked(), LEAD, approved=True)
    await replica.database.write(lambda: query("UPDATE budget_raises SET day = '2027-01-16'"))
    replica.clock.now += DAY
    assert await replica.left() == 1000


@pytest.mark.parametrize(("outcome", "left"), [("started", 0), ("succeeded", 500)])
async def test_decision_of_a_process_that_is_killed_counts_once_or_can_be_made_again(
    database_address: str, new_database: NewDatabase, outcome: str, left: int
) -> None:
    replica = Replica(new_database())
    question = await replica.asked()
    program = ["python", "-m", "plugins.budgets.tests.killed_raise", database_address, str(NOON)]
    status, output = run([*program, question, outcome], dict(os.environ), ROOT)
    assert status == -signal.SIGKILL, output
    if left:
        with pytest.raises(ApprovalError):
            await replica.raises.decide(question, LEAD, approved=True)
    else:
        assert await code_of(replica) == "budget_raise_asked"
        assert await replica.raises.decide(question, LEAD, approved=True)
    assert await replica.left() == 500


async def test_question_and_decision_are_on_record_with_the_amount(database: Database) -> None:
    replica = Replica(database)
    question = await replica.asked()
    assert await replica.raises.decide(question, LEAD, approved=True)
    assert replica.records.outcomes == [
        ("approval_requested", "succeeded"),
        ("approval_decided", "started"),
        ("approval_decided", "succeeded"),
    ]
    asked, *decided = replica.records.events
    assert {event.approval for event in replica.records.events} == {question}
    assert {event.reason for event in replica.records.events} == {
        "MAX_TOKENS_FOR_USER_A_DAY + 500 tokens, user alice, 2027-01-15"
    }
    assert asked.principal == ALICE.principal
    assert [event.principal for event in decided] == [LEAD.principal] * 2


async def test_question_that_cannot_be_recorded_is_not_asked(database: Database) -> None:
    replica = Replica(database)
    await replica.use(ALICE, 1000)
    replica.records.broken = [AuditedAction.APPROVAL_REQUESTED]
    with pytest.raises(AuditError):
        await replica.refusal()
    assert await replica.raises.waiting(LEAD) == []


async def test_decision_that_cannot_be_recorded_does_not_count(database: Database) -> None:
    replica = Replica(database)
    question = await replica.asked()
    replica.records.broken = [AuditedAction.APPROVAL_DECIDED]
    with pytest.raises(AuditError):
        await replica.raises.decide(question, LEAD, approved=True)
    assert await code_of(replica) == "budget_raise_asked"


async def test_operator_ends_a_raise(database: Database) -> None:
    replica = Replica(database)
    assert await replica.raises.decide(await replica.asked(), LEAD, approved=True)
    [state] = await replica.raises.store.of_day("2027-01-15")
    await replica.raises.withdraw(state.request)
    assert await code_of(replica) == "budget_spent"
    assert replica.records.outcomes[-1] == ("approval_decided", "cancelled")
    with pytest.raises(ApprovalError):
        await replica.raises.withdraw(state.request)


async def test_questions_are_deleted_two_days_later(database: Database) -> None:
    replica = Replica(database)
    await replica.asked()
    replica.clock.now += 3 * DAY
    await replica.use(BOB, 1)
    [[rows]] = await database.read(lambda: query("SELECT count(*) FROM budget_raises"))
    assert rows == 0


LIMIT = {"max_tokens_for_user_a_day": "5"}


@pytest.mark.parametrize(
    ("given", "faults"),
    [
        ({**LIMIT, "budget_approvers": "leads", "caller_claims": "groups"}, []),
        ({**LIMIT, "budget_approvers": "claim:manager", "caller_claims": "manager"}, []),
        (
            {**LIMIT, "budget_approvers": "leads"},
            ["BUDGET_APPROVERS needs CALLER_CLAIMS to name groups, by which approvers are known"],
        ),
        (
            {**LIMIT, "budget_approvers": "claim:manager", "caller_claims": "groups"},
            ["BUDGET_APPROVERS needs CALLER_CLAIMS to name manager, by which approvers are known"],
        ),
        (
            {"budget_approvers": "leads", "caller_claims": "groups"},
            ["BUDGET_APPROVERS needs a limit, such as MAX_TOKENS_FOR_USER_A_DAY"],
        ),
    ],
)
def test_variables_that_cannot_work_together_are_faults(given: dict[str, str], faults: list[str]) -> None:
    assert list(BudgetVariables.combination_faults(given)) == faults
