"""Calls are counted over all processes: no sum of permitted calls exceeds a limit."""

import asyncio
from dataclasses import replace
from datetime import date
from typing import Any

import pytest

from agent.conversations.database.database import Database
from agent.policy.counters import CallCounters, Entry
from graph.approvals.policy import Allow, Deny
from identity.principal import Principal

pytestmark = pytest.mark.promise("policy-decides")

FRIDAY = date(2026, 11, 27)
ALICE, BOB = Principal("https://idaas.example", "alice"), Principal("https://idaas.example", "bob")
ENTRY = Entry("1", ALICE, "expenses.submit_expense", FRIDAY, 100)


async def test_each_call_counts_once_by_user_tool_and_day(database: Database) -> None:
    counters = CallCounters(database)

    async def entered(**members: Any) -> tuple[int, int]:
        counted = await counters.enter(replace(ENTRY, **members))
        return counted.calls, counted.total

    assert await entered() == (1, 100)
    assert await entered() == (1, 100)
    assert await entered(id="2", amount=50) == (2, 150)
    assert await entered(id="3", principal=BOB) == (1, 100)
    assert await entered(id="4", tool="expenses.pay_out") == (1, 100)
    assert await entered(id="5", day=date(2026, 11, 28)) == (1, 100)
    await counters.take_back(ENTRY)
    await counters.take_back(ENTRY)
    assert await entered(id="6", amount=0) == (2, 50)


async def test_call_is_taken_back_only_by_what_has_entered_it(database: Database) -> None:
    replicas = [CallCounters(database), CallCounters(database)]
    first, again = [await each.enter(ENTRY) for each in replicas]
    next_day = await replicas[1].enter(
        replace(ENTRY, day=date(2026, 11, 28))
    )  # the call goes on after midnight
    for counted in (again, next_day):
        assert await replicas[1].settled(counted, Deny()) == Deny()
        assert await replicas[1].settled(counted, Allow()) == Allow()
    assert (await replicas[0].enter(replace(ENTRY, id="2"))).calls == 2
    assert await replicas[0].settled(first, Deny()) == Deny()
    assert (await replicas[0].enter(replace(ENTRY, id="3"))).calls == 2


async def test_permitted_calls_never_exceed_the_limit_when_replicas_race(database: Database) -> None:
    replicas = [CallCounters(database), CallCounters(database)]

    async def call(number: int) -> int:
        entry = replace(ENTRY, id=f"call {number}", amount=70 + number)
        counters = replicas[number % 2]
        if (await counters.enter(entry)).total <= 1000:
            return entry.amount
        await counters.take_back(entry)
        return 0

    permitted = await asyncio.gather(*map(call, range(40)))
    assert 0 < sum(permitted) <= 1000
    last = await replicas[0].enter(replace(ENTRY, id="last", amount=0))
    assert last.total == sum(permitted)


async def test_counts_of_earlier_days_are_forgotten(database: Database) -> None:
    counters = CallCounters(database)
    await counters.enter(ENTRY)
    await counters.enter(replace(ENTRY, id="2", day=date(2026, 11, 30)))
    later = await counters.enter(replace(ENTRY, amount=1))
    assert (later.added, later.calls, later.total) == (True, 1, 1)
