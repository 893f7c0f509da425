"""Approvals in memory: absent for others, decided once, used once."""

import asyncio
from collections import Counter
from dataclasses import replace

import pytest

from graph.approvals.memory_store import MemoryApprovalStore
from graph.approvals.record import ApprovalState, ApprovalStatus
from identity.errors import ApprovalError
from tests.graph.approvals.conftest import ALICE, BOB, DIGEST, NOW, RequestOf

pytestmark = pytest.mark.promise("approval-binds")


@pytest.fixture
def store() -> MemoryApprovalStore:
    return MemoryApprovalStore()


async def test_opening_again_changes_nothing(store: MemoryApprovalStore, request_of: RequestOf) -> None:
    first = await store.open(request_of())
    await store.decide("1", ALICE, approved=True, digest=DIGEST, at=NOW)
    again = await store.open(request_of(digest="other", created_at=NOW + 1))
    assert (first.status, again.status) == (ApprovalStatus.OPEN, ApprovalStatus.APPROVED)
    assert again.request == request_of()


async def test_approval_of_another_principal_is_absent(
    store: MemoryApprovalStore, request_of: RequestOf
) -> None:
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


async def test_unknown_approval_can_be_neither_decided_nor_used(store: MemoryApprovalStore) -> None:
    for attempt in (
        store.decide("1", ALICE, approved=True, digest=DIGEST, at=NOW),
        store.use("1", ALICE, DIGEST, NOW),
    ):
        with pytest.raises(ApprovalError):
            await attempt


async def test_of_many_decisions_and_uses_one_counts(
    store: MemoryApprovalStore, request_of: RequestOf
) -> None:
    await store.open(request_of())
    decisions = [store.decide("1", ALICE, approved=n > 0, digest=DIGEST, at=NOW) for n in range(9, -1, -1)]
    outcomes = Counter(map(type, await asyncio.gather(*decisions, return_exceptions=True)))
    assert outcomes == {ApprovalState: 1, ApprovalError: 9}
    uses = [store.use("1", ALICE, DIGEST, NOW) for _ in range(10)]
    outcomes = Counter(map(type, await asyncio.gather(*uses, return_exceptions=True)))
    assert outcomes == {type(None): 1, ApprovalError: 9}


async def test_pending_ones_are_open_and_of_the_thread(
    store: MemoryApprovalStore, request_of: RequestOf
) -> None:
    requests = [request_of(id=str(n), thread_id=f"t{n % 2}") for n in range(4)]
    for request in requests:
        await store.open(request)
    await store.decide("0", ALICE, approved=False, digest=None, at=NOW)
    assert [state.request.id for state in await store.pending(ALICE)] == ["1", "2", "3"]
    assert [state.request.id for state in await store.pending(ALICE, "t0")] == ["2"]


async def test_withdrawal_ends_the_approvals_of_one_thread(
    store: MemoryApprovalStore, request_of: RequestOf
) -> None:
    for n in range(2):
        await store.open(request_of(id=str(n), thread_id=f"t{n}"))
    await store.withdraw(ALICE, "t0", NOW)
    assert await store.get("0", ALICE) == replace(
        ApprovalState(request_of(id="0", thread_id="t0")), status=ApprovalStatus.WITHDRAWN
    )
    assert [state.request.id for state in await store.pending(ALICE)] == ["1"]


async def test_forgotten_approval_is_absent(request_of: RequestOf) -> None:
    store = MemoryApprovalStore(capacity=1)
    await store.open(request_of(id="old"))
    await store.open(request_of(id="new"))
    assert await store.get("old", ALICE) is None
    assert await store.get("new", ALICE) is not None
