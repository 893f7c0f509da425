"""Calls are counted over all processes: no sum of permitted calls exceeds a limit."""

import asyncio
import base64
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import date
from functools import partial
from typing import Any

import pytest

from agent.conversations.database.database import Database, Transaction, query
from agent.conversations.encryption.encryption import Encryption
from agent.conversations.encryption.reencryption import Reencryption
from agent.conversations.storage import ConversationStorage
from agent.errors.error_codes import AgentCode
from graph.approvals.policy import Allow, Deny
from identity.access_token.sealed_caller import SealingKeys
from identity.errors import UnavailableError
from identity.principal import Principal
from plugins.policy.counters import CallCounters, CountedCall
from tests.agent.conftest import NewDatabase

pytestmark = pytest.mark.promise("policy-decides")

FRIDAY = date(2026, 11, 27)
ALICE, BOB = Principal("https://idaas.example", "alice"), Principal("https://idaas.example", "bob")
ENTRY = CountedCall("1", ALICE, "expenses.submit_expense", FRIDAY, 100)


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
    await counters.release(ENTRY)
    await counters.release(ENTRY)
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
        await counters.release(entry)
        return 0

    permitted = await asyncio.gather(*map(call, range(40)))
    assert 0 < sum(permitted) <= 1000
    last = await replicas[0].enter(replace(ENTRY, id="last", amount=0))
    assert last.total == sum(permitted)


async def test_counts_of_earlier_days_are_forgotten(database: Database) -> None:
    counters = CallCounters(database)
    await counters.enter(ENTRY)
    await counters.enter(replace(ENTRY, id="2", day=date(2026, 11, 30)))
    later = await CallCounters(database).enter(replace(ENTRY, amount=1))
    assert (later.added, later.calls, later.total) == (True, 1, 1)


@dataclass
class TakenOutMeanwhile:
    """A database of which another process takes the entered calls out before they are read."""

    database: Database
    is_done: bool = False

    async def write(self, work: Callable[[], Transaction[Any]], *, durable: bool = False) -> Any:
        return await self.database.write(partial(self._interrupted, work), durable=durable)

    def _interrupted(self, work: Callable[[], Transaction[Any]]) -> Transaction[Any]:
        transaction = work()
        statements = next(transaction)
        while True:
            if not self.is_done and statements[0].sql.startswith("SELECT body FROM counted_calls"):
                self.is_done = True
                yield from query("DELETE FROM counted_calls")
            rows = yield statements
            try:
                statements = transaction.send(rows)
            except StopIteration as ended:
                return ended.value


async def test_call_that_is_taken_out_while_it_is_entered_again_is_counted(database: Database) -> None:
    await CallCounters(database).enter(ENTRY)
    interrupted: Any = TakenOutMeanwhile(database)
    again = await CallCounters(interrupted).enter(ENTRY)
    assert (again.added, interrupted.is_done) == (True, True)


KEYS = SealingKeys.of("A" * 43)
PRESENT = base64.urlsafe_b64encode(bytes(range(32))).decode()
FORGERIES = {
    "totals in clear": "UPDATE call_totals SET calls = 0, amount = 0",
    "no totals in clear": "DELETE FROM call_totals",
    "negative amounts in clear": "UPDATE counted_calls SET amount = -1000000",
}


@pytest.mark.parametrize("sql", FORGERIES.values(), ids=FORGERIES)
async def test_writer_of_the_clear_columns_lifts_no_limit(new_database: NewDatabase, sql: str) -> None:
    encryption = Encryption(KEYS)
    counters = CallCounters(new_database(encryption), encryption)
    counted = await counters.enter(ENTRY)
    await counters.enter(replace(ENTRY, id="2"))
    await counters.database.write(lambda: query(sql))
    other = CallCounters(new_database(encryption), encryption)
    again = await other.enter(replace(ENTRY, id="3"))
    assert (again.calls, again.total) == (3, 300)
    await counters.release(counted)
    last = await other.enter(replace(ENTRY, id="4"))
    assert (last.calls, last.total) == (3, 300)


FORGED = {
    "a changed total": ("UPDATE day_counts SET body = ?", b'\0{"calls": 0, "amount": 0, "change": 99}'),
    "a total of another tool": (
        "UPDATE day_counts SET body = (SELECT body FROM day_counts WHERE id = ?)",
        replace(ENTRY, tool="expenses.pay_out").count_id,
    ),
    "a call that was entered before": (
        "UPDATE counted_calls SET id = '3', body = ? WHERE id = '1'",
        b"\x00100",
    ),
}


@pytest.mark.parametrize(("sql", "value"), FORGED.values(), ids=FORGED)
async def test_forged_count_is_refused(new_database: NewDatabase, sql: str, value: str | bytes) -> None:
    encryption = Encryption(KEYS)
    counters = CallCounters(new_database(encryption), encryption)
    await counters.enter(ENTRY)
    await counters.enter(replace(ENTRY, id="2", tool="expenses.pay_out"))
    await counters.database.write(lambda: query(sql, value))
    with pytest.raises(UnavailableError) as caught:
        await counters.enter(replace(ENTRY, id="3"))
    assert caught.value.code is AgentCode.CONVERSATION_UNREADABLE


@pytest.mark.parametrize("older", [True, False], ids=["older", "deleted"])
async def test_total_that_is_older_than_a_process_remembers_is_written_back(
    new_database: NewDatabase, caplog: pytest.LogCaptureFixture, older: bool
) -> None:
    encryption = Encryption(KEYS)
    database = new_database(encryption)
    counters = CallCounters(database, encryption)
    await counters.enter(ENTRY)
    [[body]] = await database.read(lambda: query("SELECT body FROM day_counts"))
    await counters.enter(replace(ENTRY, id="2", amount=500))
    await database.write(lambda: query("DELETE FROM call_totals"))
    sql = "UPDATE day_counts SET body = ?" if older else "DELETE FROM day_counts WHERE body <> ?"
    await database.write(lambda: query(sql, body))
    found = await counters.enter(replace(ENTRY, id="3", amount=1))
    assert (found.calls, found.total) == (3, 601)
    assert "a count of today is older" in caplog.text
    started = CallCounters(new_database(encryption), encryption)
    found = await started.enter(replace(ENTRY, id="4", amount=1))
    assert (found.calls, found.total) == (4, 602)


async def test_calls_that_processes_of_the_release_before_count_are_counted(
    new_database: NewDatabase,
) -> None:
    """During an upgrade they know the clear columns alone."""
    encryption = Encryption(KEYS)
    database = new_database(encryption)
    await database.write(
        lambda: query(
            "INSERT INTO call_totals (owner, tool, day, calls, amount) VALUES (?, ?, ?, ?, ?)",
            *(*ENTRY.key, 2, 250),
        )
    )
    counters = CallCounters(database, encryption)
    assert (await counters.enter(ENTRY)).total == 350
    await database.write(lambda: query("UPDATE call_totals SET calls = calls + 1, amount = amount + 70"))
    found = await counters.enter(replace(ENTRY, id="2"))
    assert (found.calls, found.total) == (5, 520)


async def test_call_that_the_release_before_has_entered_is_counted_again(new_database: NewDatabase) -> None:
    encryption = Encryption(KEYS)
    database = new_database(encryption)
    await database.write(
        lambda: query(
            "INSERT INTO counted_calls (id, owner, tool, day, amount) VALUES (?, ?, ?, ?, ?)",
            *(ENTRY.id, *ENTRY.key, 0),
        )
    )
    counters = CallCounters(database, encryption)
    entered = [await counters.enter(ENTRY) for _ in range(2)]
    assert [(each.added, each.calls) for each in entered] == [(True, 1), (False, 1)]


async def test_counts_are_brought_under_the_present_key(new_database: NewDatabase) -> None:
    former = Encryption(KEYS)
    await CallCounters(new_database(former), former).enter(ENTRY)
    both = Encryption(SealingKeys.of(f"{PRESENT}\n{'A' * 43}"))
    storage = ConversationStorage(new_database(both), both, days=90, clock=lambda: 0.0)
    reencryption = Reencryption(storage.database, both, storage.threads.index_anew)
    assert await reencryption.run() == 2
    present = Encryption(SealingKeys.of(PRESENT))
    counters = CallCounters(new_database(present), present)
    entered = [await counters.enter(each) for each in (ENTRY, replace(ENTRY, id="2"))]
    assert [(each.added, each.total) for each in entered] == [(False, 100), (True, 200)]
