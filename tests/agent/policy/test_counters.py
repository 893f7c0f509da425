"""Calls are counted over all processes: no sum of permitted calls exceeds a limit."""

import asyncio
from dataclasses import replace
from datetime import date

import pytest

from agent.conversations.database.database import Database
from agent.policy.counters import CallCounters, Entry
from identity.principal import Principal

pytestmark = pytest.mark.promise("policy-decides")

FRIDAY = date(2026, 11, 27)
ALICE, BOB = Principal("https://idaas.example", "alice"), Principal("https://idaas.example", "bob")
ENTRY = Entry("1", ALICE, "expenses.submit_expense", FRIDAY, 100)


async def test_each_call_counts_once_by_user_tool_and_day(database: Database) -> None:
    counters = CallCounters(database)
    assert await counters.enter(ENTRY) == (1, 100)
    assert await counters.enter(ENTRY) == (1, 100)
    assert await counters.enter(replace(ENTRY, id="2", amount=50)) == (2, 150)
    assert await counters.enter(replace(ENTRY, id="3", principal=BOB)) == (1, 100)
    assert await counters.enter(replace(ENTRY, id="4", tool="expenses.pay_out")) == (1, 100)
    assert await counters.enter(replace(ENTRY, id="5", day=date(2026, 11, 28))) == (1, 100)
    await counters.take_back(ENTRY)
    await counters.take_back(ENTRY)
    assert await counters.enter(replace(ENTRY, id="6", amount=0)) == (2, 50)


async def test_permitted_calls_never_exceed_the_limit_when_replicas_race(database: Database) -> None:
    replicas = [CallCounters(database), CallCounters(database)]

    async def call(number: int) -> int:
        entry = replace(ENTRY, id=f"call {number}", amount=70 + number)
        counters = replicas[number % 2]
        _, total = await counters.enter(entry)
        if total <= 1000:
            return entry.amount
        await counters.take_back(entry)
        return 0

    permitted = await asyncio.gather(*map(call, range(40)))
    assert 0 < sum(permitted) <= 1000
    _, total = await replicas[0].enter(replace(ENTRY, id="last", amount=0))
    assert total == sum(permitted)


async def test_counts_of_earlier_days_are_forgotten(database: Database) -> None:
    counters = CallCounters(database)
    await counters.enter(ENTRY)
    await counters.enter(replace(ENTRY, id="2", day=date(2026, 11, 30)))
    assert await counters.enter(replace(ENTRY, amount=1)) == (1, 1)
