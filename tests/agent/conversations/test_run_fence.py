"""A run that has lost its conversation uses no approval and no grant, in the same transaction."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from agent.conversations.database.database import Database, Transaction, query
from agent.conversations.encryption.encryption import Encryption
from agent.conversations.owned_thread import RunKey, stored_owner
from agent.conversations.storage import ConversationStorage
from agent.conversations.thread import owner_digest
from graph.approvals.grants import Grant
from graph.approvals.record import ApprovalStatus
from graph.context import Conversation
from identity.errors import ApprovalError, ThreadBusyError
from identity.principal import Principal
from tests.graph.approvals.conftest import ALICE, BOB, DIGEST, NOW, request_of
from tools.lasting import Lasting

pytestmark = pytest.mark.promise("ended-runs-call-nothing")

OWNER = stored_owner(owner_digest(ALICE))
RUN = RunKey(OWNER.thread("t1"), "run-1")
HERE = Conversation("t1", "run-1")


def storage_of(database: Database, process_id: str | None = "here") -> ConversationStorage:
    return ConversationStorage(database, Encryption(), days=90, clock=lambda: NOW, process_id=process_id)


@pytest.fixture
async def storage(database: Database) -> ConversationStorage:
    """That of a process that executes a run, whose call is approved, and another covered by a grant."""
    storage = storage_of(database)
    await storage.threads.begin_run(RUN, "here")
    await storage.approvals.open(request_of())
    await storage.approvals.decide("1", ALICE, approved=True, digest=DIGEST, at=NOW)
    await storage.grants.add(GRANT)
    return storage


LASTING = Lasting(60, False, {"amount": {"min": 0, "max": 9}})
GRANT = Grant(
    request=request_of(id="given", call_id="given"), lasting=LASTING, schema="s", token="t", created_at=NOW
)
COVERED = request_of(id="2", call_id="call_2")


async def interrupted(storage: ConversationStorage) -> None:
    await storage.threads.processes.interrupted_of("here", None)


async def ended(storage: ConversationStorage) -> None:
    assert await storage.threads.end_run(RUN, "idle")


async def paused(storage: ConversationStorage) -> None:
    assert await storage.threads.end_run(RUN, "paused")


async def deleted(storage: ConversationStorage) -> None:
    await storage.threads.delete(OWNER.thread("t1"))


async def taken_over(storage: ConversationStorage) -> None:
    await paused(storage)
    await storage.threads.begin_run(RUN, "there")


async def followed_by_another(storage: ConversationStorage) -> None:
    await ended(storage)
    await storage.threads.begin_run(RunKey(OWNER.thread("t1"), "run-2"), "here")


LOST = [interrupted, ended, paused, deleted, taken_over, followed_by_another]


async def uses(storage: ConversationStorage) -> tuple[ApprovalStatus, int, bool]:
    """The status of the approval, the uses of the grant, and whether the covered call is on record."""
    [approval] = await storage.approvals.find(["1"], ALICE)
    [grant] = await storage.grants.of(ALICE, NOW)
    return approval.status, grant.uses, await storage.approvals.get("2", ALICE) is not None


@pytest.mark.parametrize("lose", LOST)
async def test_run_that_lost_its_conversation_uses_nothing(
    storage: ConversationStorage, lose: Callable[[ConversationStorage], Awaitable[None]]
) -> None:
    await lose(storage)
    assert storage.fence is not None
    for attempt in (
        storage.fence.check(ALICE, HERE),
        storage.approvals.use("1", ALICE, DIGEST, NOW, HERE),
        storage.grants.use(GRANT, COVERED, NOW, HERE),
    ):
        with pytest.raises(ThreadBusyError):
            await attempt
    assert await uses(storage) == (ApprovalStatus.APPROVED, 0, False)


async def test_run_in_progress_uses_its_approval_and_its_grant(storage: ConversationStorage) -> None:
    assert storage.fence is not None
    await storage.fence.check(ALICE, HERE)
    await storage.approvals.use("1", ALICE, DIGEST, NOW, HERE)
    await storage.grants.use(GRANT, COVERED, NOW, HERE)
    assert await uses(storage) == (ApprovalStatus.USED, 1, True)


@pytest.mark.parametrize(
    ("principal", "run"),
    [(BOB, HERE), (ALICE, Conversation("t1", "run-2")), (ALICE, Conversation("t2", "run-1"))],
)
async def test_run_of_another_user_thread_or_id_is_not_held(
    storage: ConversationStorage, principal: Principal, run: Conversation
) -> None:
    assert storage.fence is not None
    with pytest.raises(ThreadBusyError):
        await storage.fence.check(principal, run)


async def test_without_a_run_nothing_is_used_where_this_process_executes_runs(
    storage: ConversationStorage, new_database: Any
) -> None:
    for attempt in (storage.approvals.use("1", ALICE, DIGEST, NOW), storage.grants.use(GRANT, COVERED, NOW)):
        with pytest.raises(ApprovalError):
            await attempt
    assert await uses(storage) == (ApprovalStatus.APPROVED, 0, False)
    of_server = storage_of(new_database(), None)
    await of_server.approvals.use("1", ALICE, DIGEST, NOW, Conversation("t1", "of the server"))
    assert of_server.fence is None


async def test_process_that_begins_a_call_is_not_taken_for_silent(storage: ConversationStorage) -> None:
    assert storage.fence is not None
    await storage.fence.check(ALICE, HERE)
    await storage.threads.processes.interrupted_of("here", NOW - 1)  # as it was seen before
    assert (await storage.threads.get(OWNER.thread("t1"))).status == "running"
    await storage.threads.processes.interrupted_of("here", NOW)
    assert (await storage.threads.get(OWNER.thread("t1"))).status == "interrupted"


@pytest.mark.parametrize("new_database", ["postgresql"], indirect=True)
async def test_interruption_waits_for_a_call_that_begins_and_finds_its_process_alive(
    storage: ConversationStorage, new_database: Any
) -> None:
    other = storage_of(new_database(), "there")
    await storage.threads.processes.heartbeat("there", [])  # both are connected
    await other.threads.get(OWNER.thread("t1"))
    ending: list[asyncio.Task[None]] = []

    def beginning() -> Transaction[None]:
        assert storage.fence is not None
        yield from storage.fence.held(ALICE, HERE)
        ending.append(asyncio.create_task(other.threads.processes.interrupted_of("here", NOW - 1)))
        for _ in range(50):  # meanwhile the other process looks for silent ones
            yield from query("SELECT 1")

    await storage.database.write(beginning)
    await asyncio.gather(*ending)
    assert (await storage.threads.get(OWNER.thread("t1"))).status == "running"
