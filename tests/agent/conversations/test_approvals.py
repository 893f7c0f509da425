"""Approvals in the database, also of several processes."""

import asyncio
from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from agent.conversations.approvals import SqlApprovalStore
from agent.conversations.database.database import Database, Transaction, query
from agent.conversations.database.sqlite_database import SqliteDatabase
from agent.conversations.encryption.encryption import Encryption
from graph.approvals.record import ApprovalKind, ApprovalState
from graph.error_codes import GraphCode
from identity.access_token.sealed_caller import SealingKeys
from identity.errors import ApprovalError, LimitError, UnavailableError
from identity.principal import Principal
from tests.graph.approvals.conftest import ALICE, BOB, DIGEST, NOW, request_of
from tests.graph.approvals.store_conformance import ApprovalStoreConformance

pytestmark = pytest.mark.promise("approval-binds")


@pytest.fixture(params=[None, "A" * 43], ids=["in clear", "encrypted"])
def encryption(request: pytest.FixtureRequest) -> Encryption:
    return Encryption(None if request.param is None else SealingKeys.of(request.param))


@pytest.fixture
def store(database: Database, encryption: Encryption) -> SqlApprovalStore:
    return SqlApprovalStore(database, encryption)


class TestSqlApprovalStore(ApprovalStoreConformance):
    """The guarantees of every store."""


async def test_of_many_decisions_and_uses_by_several_processes_one_counts(new_database, encryption):
    stores = [SqlApprovalStore(new_database(), encryption) for _ in range(3)]
    await asyncio.gather(*(store.open(request_of()) for store in stores))
    decisions = [
        store.decide("1", ALICE, approved=approved, digest=DIGEST, at=NOW)
        for approved in (True, False)
        for store in stores
    ]
    outcomes = Counter(map(type, await asyncio.gather(*decisions, return_exceptions=True)))
    assert outcomes == {ApprovalState: 1, ApprovalError: 5}
    await stores[0].open(request_of(id="2"))
    await stores[0].decide("2", ALICE, approved=True, digest=DIGEST, at=NOW)
    uses = [store.use("2", ALICE, DIGEST, NOW) for store in stores for _ in range(3)]
    outcomes = Counter(map(type, await asyncio.gather(*uses, return_exceptions=True)))
    assert outcomes == {type(None): 1, ApprovalError: 8}


@pytest.mark.promise("prepared-runs-wait")
async def test_prepared_run_is_of_its_client_and_user_and_no_question_of_a_run(new_database, encryption):
    stores = [SqlApprovalStore(new_database(), encryption) for _ in range(2)]
    jobs = [Principal(ALICE.issuer, name) for name in ("job", "other")]
    asked = [
        request_of(
            id=name, thread_id=name, kind=ApprovalKind.PREPARED_RUN, prepared_by=by,
            principal=user, arguments={"question": name},
        )
        for name, by, user in (("p1", "job", ALICE), ("p2", "job", BOB), ("p3", "other", ALICE))
    ]  # fmt: skip
    for request in asked:
        await stores[0].prepare(request, 2, 2)
    late = replace(asked[0], id="late", created_at=asked[0].expires_at, expires_at=NOW + 9999)
    with pytest.raises(LimitError):
        await stores[1].prepare(replace(asked[0], id="p4"), 2, 3)
    with pytest.raises(LimitError):
        await stores[1].prepare(replace(asked[2], id="p4"), 3, 2)
    await stores[1].prepare(late, 1, 1)  # those before it have expired
    found = [await stores[1].prepared(each, by_client=True) for each in jobs]
    found += [await stores[1].prepared(each) for each in (ALICE, BOB)]
    names = [sorted(each.request.id for each in of_one) for of_one in found]
    assert names == [["late", "p1", "p2"], ["p3"], ["late", "p1", "p3"], ["p2"]]
    assert found[3][0].request == asked[1]
    assert found[3][0].request.arguments == {"question": "p2"}
    assert await stores[0].pending(ALICE) == await stores[0].pending(ALICE, "p1") == []
    assert await stores[0].count_open(0) == 0

    for foreign in ("p3", "unknown"):
        with pytest.raises(ApprovalError):
            await stores[0].withdraw_prepared(foreign, jobs[0], NOW)
    both = [stores[0].withdraw_prepared("p1", jobs[0], NOW)]
    both.append(stores[1].decide("p1", ALICE, approved=True, digest=DIGEST, at=NOW))
    outcomes = Counter(map(type, await asyncio.gather(*both, return_exceptions=True)))
    assert outcomes == {ApprovalState: 1, ApprovalError: 1}
    await stores[0].decide("p2", BOB, approved=True, digest=DIGEST, at=NOW)
    await stores[0].withdraw(BOB, "p2", NOW)  # what ends a run changes nothing of it
    with pytest.raises(ApprovalError):
        await stores[1].withdraw_prepared("p2", jobs[0], NOW)
    assert [each.status for each in await stores[1].prepared(BOB)] == ["approved"]


async def test_pending_ones_are_in_the_order_of_their_requests_and_recent_ones_newest_first(store):
    for n in (3, 2, 1, 0):
        await store.open(request_of(id=str(n), call_id=str(n), thread_id=f"t{n % 2}", created_at=NOW + n))
    assert [state.request.id for state in await store.pending(ALICE)] == ["0", "1", "2", "3"]
    await store.decide("3", ALICE, approved=False, digest=None, at=NOW + 3)
    assert [state.request.id for state in await store.recent(ALICE, NOW + 1)] == ["3", "2", "1"]
    assert await store.recent(BOB, NOW) == []


class Watched:
    """A database that notes how durable each write that succeeds is, as the database itself says."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self.is_durable: list[bool] = []
        self.read = database.read

    async def write(self, work: Callable[[], Transaction[Any]], *, durable: bool = False) -> Any:
        show = (
            "PRAGMA synchronous" if isinstance(self._database, SqliteDatabase) else "SHOW synchronous_commit"
        )

        def watched() -> Transaction[Any]:
            result = yield from work()
            [[level]] = yield from query(show)
            self.is_durable.append(level in (2, "on"))  # 2: FULL
            return result

        return await self._database.write(watched, durable=durable)


async def test_decision_use_and_withdrawal_are_synced_to_disk_before_they_return(database: Database) -> None:
    if not isinstance(database, SqliteDatabase):  # a server whose commits do not wait for the disk
        await database.read(lambda: query("SET synchronous_commit = off"))
    watched = Watched(database)
    store = SqlApprovalStore(watched, Encryption())  # type: ignore[arg-type]  # a stand-in
    await store.open(request_of())
    assert watched.is_durable == [False]  # one that is lost is asked again
    await store.decide("1", ALICE, approved=True, digest=DIGEST, at=NOW)
    await store.use("1", ALICE, DIGEST, NOW)
    await store.open(request_of(id="2"))
    await store.withdraw(ALICE, "t1", NOW)
    assert watched.is_durable == [False, True, True, False, True]


async def test_unusable_database_is_reported_as_unavailable_approvals(database, store):
    await store.open(request_of())
    await database.write(lambda: query("ALTER TABLE approvals RENAME TO away"))
    try:
        for attempt in (store.get("1", ALICE), store.pending(ALICE), store.use("1", ALICE, DIGEST, NOW)):
            with pytest.raises(UnavailableError) as caught:
                await attempt
            assert caught.value.code is GraphCode.APPROVAL_UNAVAILABLE
    finally:
        await database.write(lambda: query("ALTER TABLE away RENAME TO approvals"))


async def test_open_approvals_of_all_are_counted_without_decided_and_old_ones(store):
    for number, principal in enumerate((ALICE, BOB, ALICE)):
        await store.open(
            request_of(id=str(number), call_id=str(number), principal=principal, created_at=NOW + number)
        )
    assert await store.count_open(NOW - 1) == 3
    await store.decide("2", ALICE, approved=False, digest=None, at=NOW + 2)
    assert await store.count_open(NOW - 1) == 2
    assert await store.count_open(NOW) == 1
