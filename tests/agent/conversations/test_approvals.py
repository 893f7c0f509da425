"""Approvals in the database, also of several processes."""

import asyncio
import json
from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from agent.conversations.approval_rows import OF_PROGRAMS, ApprovalRows
from agent.conversations.approvals import SqlApprovalStore
from agent.conversations.database.database import Database, Transaction, query
from agent.conversations.database.sqlite_database import SqliteDatabase
from agent.conversations.encryption.encryption import Encryption
from agent.conversations.message_json import encoded
from agent.conversations.stored_request import members_of
from agent.conversations.stored_request import request_of as stored_request
from graph.approvals.inbox import kept_arguments
from graph.approvals.record import ApprovalRequest, ApprovalState, ApprovalStatus, Approver
from graph.error_codes import GraphCode
from graph.extensions import Extensions
from graph.server_question import question_in
from identity.access_token.sealed_caller import SealingKeys
from identity.audit.event import Ruled
from identity.errors import ApprovalError, UnavailableError
from identity.principal import AccessIdentity, Principal
from tests.graph.approvals.conftest import ALICE, BOB, DIGEST, NOW, SECONDS, request_of

pytestmark = pytest.mark.promise("approval-binds")


@pytest.fixture(params=[None, "A" * 43], ids=["in clear", "encrypted"])
def encryption(request: pytest.FixtureRequest) -> Encryption:
    return Encryption(None if request.param is None else SealingKeys.of(request.param))


@pytest.fixture
def store(database: Database, encryption: Encryption) -> SqlApprovalStore:
    return SqlApprovalStore(database, encryption)


async def test_opening_again_changes_nothing(store):
    assert await store.open(request_of()) == ApprovalState(request_of())
    await store.decide("1", ALICE, approved=True, digest=DIGEST, at=NOW)
    again = await store.open(request_of(digest="other", created_at=NOW + 1))
    assert again == ApprovalState(request_of(), ApprovalStatus.APPROVED, DIGEST, NOW)


async def test_several_are_found_at_once_of_their_principal_only(store):
    for n, principal in enumerate((ALICE, ALICE, BOB)):
        await store.open(request_of(id=str(n), call_id=str(n), principal=principal))
    await store.decide("1", ALICE, approved=False, digest=None, at=NOW)
    found = await store.find(["0", "1", "2", "3"], ALICE)
    assert {(each.request.id, each.status) for each in found} == {
        ("0", ApprovalStatus.OPEN), ("1", ApprovalStatus.REJECTED),
    }  # fmt: skip
    assert [each.request.id for each in await store.find(["2"], BOB)] == ["2"]


async def test_latest_one_of_a_thread_is_found_in_every_state(store):
    for n in range(3):
        await store.open(request_of(id=str(n), call_id=str(n), thread_id=f"t{n // 2}", created_at=NOW + n))
    await store.decide("1", ALICE, approved=True, digest=DIGEST, at=NOW + 2)
    await store.use("1", ALICE, DIGEST, NOW + 2)
    latest = await store.latest(ALICE, "t0")
    assert latest is not None
    assert (latest.request.id, latest.status) == ("1", ApprovalStatus.USED)
    assert await store.latest(ALICE, "t2") is None
    assert await store.latest(BOB, "t0") is None


async def test_new_question_withdraws_the_earlier_one_about_its_call(store):
    await store.open(request_of(id="asked"))
    await store.open(request_of(id="of another call", call_id="call_2"))
    await store.open(request_of(id="of another thread", thread_id="t2"))
    for _ in range(2):
        await store.open(request_of(id="asked anew", access_identity=AccessIdentity.MACHINE))
        await store.open(request_of(id="asked"))
    assert {state.request.id for state in await store.pending(ALICE)} == {
        "of another call", "of another thread", "asked anew",
    }  # fmt: skip
    with pytest.raises(ApprovalError):
        await store.decide("asked", ALICE, approved=True, digest=DIGEST, at=NOW)


async def test_approved_call_that_is_asked_about_anew_is_not_made(store):
    await store.open(request_of())
    await store.decide("1", ALICE, approved=True, digest=DIGEST, at=NOW)
    await store.open(request_of(id="2"))
    with pytest.raises(ApprovalError):
        await store.use("1", ALICE, DIGEST, NOW)


async def test_request_without_identity_and_credential_is_the_same_after_storing(store):
    request = request_of(access_identity=None, audience=None, scope=None)
    await store.open(request)
    assert await store.get("1", ALICE) == ApprovalState(request)


STORED = {
    "kind": "elicitation", "service": "bank", "tool": "pay", "call_id": "call_1", "digest": DIGEST,
    "effect": "write", "access_identity": "Human", "audience": "https://bank.example", "scope": "pay",
    "credential": None, "credential_kind": "access_token", "approvers": "finance", "rules": ["limit"],
    "policy": "d", "arguments": {"amount": 5}, "question": {"mode": "form", "key": "q"}, "created_at": NOW,
    "expires_at": NOW + SECONDS, "read": ["payroll.payslip: confidential"],
}  # fmt: skip
"""A request as it was stored before its parts were values, with all that it may have."""
IN_COLUMNS = {"id": "1", "thread_id": "t1", "principal": ALICE}


def test_request_is_stored_as_earlier_versions_read_it():
    request = stored_request(STORED, **IN_COLUMNS)
    assert json.loads(encoded(members_of(request))) == STORED | {"asker": [ALICE.issuer, ALICE.subject]}
    assert request.declared == {
        "audience": "https://bank.example", "scope": "pay", "credential_kind": "access_token",
    }  # fmt: skip
    assert request.ruled == Ruled(policy="d", rules=("limit",))
    assert kept_arguments(request) == {"amount": 5}
    assert question_in(request.extensions) == {"mode": "form", "key": "q"}
    assert stored_request({**STORED, "prepared_by": None}, **IN_COLUMNS) == request


def test_request_that_an_earlier_version_has_stored_is_read_without_later_members():
    later = (
        "audience",
        "scope",
        "credential",
        "credential_kind",
        "approvers",
        "rules",
        "policy",
        "arguments",
    )
    earlier = {name: STORED[name] for name in STORED if name not in (*later, "question", "read")}
    request = stored_request(earlier, **IN_COLUMNS)
    assert (request.declared, request.ruled, request.read) == ({}, Ruled(), ())
    assert request.extensions == Extensions()


async def test_approval_of_another_principal_is_absent(store):
    await store.open(request_of())
    assert await store.get("1", BOB) is None
    assert await store.pending(BOB) == []
    for attempt in (
        store.decide("1", BOB, approved=True, digest=DIGEST, at=NOW),
        store.use("1", BOB, DIGEST, NOW),
        store.open(request_of(principal=BOB)),
    ):
        with pytest.raises(ApprovalError):
            await attempt
    await store.withdraw(BOB, "t1", NOW)
    assert await store.get("1", ALICE) == ApprovalState(request_of())


async def test_question_to_approvers_is_decided_by_one_of_them_once_and_never_by_its_asker(store):
    await store.open(request_of(approvers="finance", rules=("limit",), arguments={"amount": 5}))
    await store.open(request_of(id="2", call_id="call_2"))
    bob, own = (Approver(each, frozenset({"finance"}), "t") for each in (BOB, ALICE))
    assert await store.asked_of(own, NOW) == []
    assert await store.asked_of(Approver(BOB, frozenset({"staff"})), NOW) == []
    assert await store.asked_of(bob, NOW + SECONDS) == []
    [asked] = await store.asked_of(bob, NOW)
    assert (asked.request.principal, kept_arguments(asked.request)) == (ALICE, {"amount": 5})
    for attempt in (
        store.decide("1", ALICE, approved=True, digest=DIGEST, at=NOW),
        store.decide("1", ALICE, approved=False, digest=None, at=NOW),
        store.decide_for("1", own, approved=True, at=NOW),
        store.decide_for("1", Approver(BOB, frozenset({"staff"})), approved=True, at=NOW),
        store.decide_for("1", bob, approved=True, at=NOW + SECONDS),
        store.decide_for("2", bob, approved=True, at=NOW),
    ):
        with pytest.raises(ApprovalError):
            await attempt
    decided = await store.decide_for("1", bob, approved=True, at=NOW)
    assert decided == await store.get("1", ALICE)
    assert (decided.approver, decided.approved_digest, decided.request.ruled.rules) == (
        bob,
        DIGEST,
        ("limit",),
    )
    with pytest.raises(ApprovalError):
        await store.decide_for("1", bob, approved=False, at=NOW)
    await store.use("1", ALICE, DIGEST, NOW)


async def test_flood_of_one_asker_pushes_no_question_of_another_out_of_the_inbox(store):
    bob = Approver(BOB, frozenset({"finance"}))
    carol = Principal(ALICE.issuer, "carol")
    for number in range(205):
        flood = request_of(
            id=f"a{number}", thread_id=f"a{number}", approvers="finance", created_at=NOW + number
        )
        await store.open(flood)
    await store.open(
        request_of(id="c", thread_id="c", principal=carol, approvers="finance", created_at=NOW + 500)
    )
    late = request_of(id="e", thread_id="e", principal=carol, approvers="finance", created_at=NOW - SECONDS)
    await store.open(replace(late, expires_at=NOW))
    asked = [state.request for state in await store.asked_of(bob, NOW)]
    assert len(asked) == 200
    assert [request.id for request in asked if request.principal == carol] == ["c"]
    assert [request.created_at for request in asked] == sorted(request.created_at for request in asked)
    assert "a0" in [request.id for request in asked]
    assert "a204" not in [request.id for request in asked]


async def test_unknown_approval_can_be_neither_decided_nor_used(store):
    for attempt in (
        store.decide("1", ALICE, approved=True, digest=DIGEST, at=NOW),
        store.use("1", ALICE, DIGEST, NOW),
    ):
        with pytest.raises(ApprovalError) as caught:
            await attempt
        assert caught.value.code is GraphCode.APPROVAL_INVALID


async def test_refused_decision_leaves_the_approval_open(store):
    await store.open(request_of())
    with pytest.raises(ApprovalError):
        await store.decide("1", ALICE, approved=True, digest=None, at=NOW)
    with pytest.raises(ApprovalError):
        await store.decide("1", ALICE, approved=True, digest=DIGEST, at=NOW + SECONDS)
    assert await store.get("1", ALICE) == ApprovalState(request_of())


async def test_approval_is_not_used_for_other_arguments(store):
    await store.open(request_of())
    await store.decide("1", ALICE, approved=True, digest=DIGEST, at=NOW)
    with pytest.raises(ApprovalError):
        await store.use("1", ALICE, "digest of other arguments", NOW)
    await store.use("1", ALICE, DIGEST, NOW)
    with pytest.raises(ApprovalError) as caught:
        await store.use("1", ALICE, DIGEST, NOW)
    assert caught.value.code is GraphCode.APPROVAL_USED


async def test_pending_ones_are_open_and_of_the_thread(store):
    for n in range(4):
        await store.open(request_of(id=str(n), call_id=str(n), thread_id=f"t{n % 2}", created_at=NOW + n))
    await store.decide("0", ALICE, approved=False, digest=None, at=NOW)
    assert [state.request.id for state in await store.pending(ALICE)] == ["1", "2", "3"]
    assert [state.request.id for state in await store.pending(ALICE, "t0")] == ["2"]


async def test_withdrawal_for_one_call_leaves_the_others(store):
    for n in range(3):
        await store.open(request_of(id=str(n), call_id=f"call_{n}"))
    await store.withdraw(ALICE, "t1", NOW, call_id="call_1")
    assert [state.request.id for state in await store.pending(ALICE)] == ["0", "2"]


async def test_withdrawal_ends_the_approvals_of_one_thread(store):
    for n in range(4):
        await store.open(request_of(id=str(n), call_id=str(n), thread_id=f"t{n // 3}"))
    await store.decide("1", ALICE, approved=True, digest=DIGEST, at=NOW)
    await store.decide("2", ALICE, approved=False, digest=None, at=NOW)
    await store.withdraw(ALICE, "t0", NOW)
    withdrawn = replace(
        ApprovalState(request_of(id="0", call_id="0", thread_id="t0")), status=ApprovalStatus.WITHDRAWN
    )
    assert await store.get("0", ALICE) == withdrawn
    with pytest.raises(ApprovalError):
        await store.use("1", ALICE, DIGEST, NOW)
    rejected = await store.get("2", ALICE)
    assert rejected is not None
    assert rejected.status is ApprovalStatus.REJECTED
    assert [state.request.id for state in await store.pending(ALICE)] == ["3"]


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


async def test_question_that_a_program_asks_is_none_of_a_run(store, database, encryption):
    def members(request: ApprovalRequest) -> dict[str, Any]:
        return members_of(request) | {"prepared_by": "job", "asker": [ALICE.issuer, ALICE.subject]}

    asked = request_of(id="of a program", arguments={"question": "?"})
    rows = ApprovalRows(database, encryption, OF_PROGRAMS, members)
    assert await database.write(lambda: rows.added(ApprovalState(asked)))
    assert await store.get(asked.id, ALICE) is None
    assert (
        await store.find([asked.id], ALICE)
        == await store.pending(ALICE)
        == await store.recent(ALICE, 0)
        == []
    )
    assert (await store.latest(ALICE, asked.thread_id), await store.count_open(0)) == (None, 0)
    with pytest.raises(ApprovalError):
        await store.decide(asked.id, ALICE, approved=True, digest=DIGEST, at=NOW)
    with pytest.raises(ApprovalError):
        await store.open(asked)
    await store.withdraw(ALICE, asked.thread_id, NOW)
    [state] = await rows.read(None, "id = ?", asked.id)
    assert state.status is ApprovalStatus.OPEN


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
