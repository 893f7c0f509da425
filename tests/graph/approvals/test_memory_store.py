"""Approvals in memory."""

import pytest

from tests.graph.approvals.conftest import ALICE, request_of
from tests.graph.approvals.memory_store import MemoryApprovalStore
from tests.graph.approvals.store_conformance import ApprovalStoreConformance

pytestmark = pytest.mark.promise("approval-binds")


@pytest.fixture
def store() -> MemoryApprovalStore:
    return MemoryApprovalStore()


class TestMemoryApprovalStore(ApprovalStoreConformance):
    """The guarantees of every store."""


async def test_forgotten_approval_is_absent() -> None:
    store = MemoryApprovalStore(capacity=1)
    await store.open(request_of(id="old"))
    await store.open(request_of(id="new"))
    assert await store.get("old", ALICE) is None
    assert await store.get("new", ALICE) is not None
