"""Of what a writer of the database without the key writes or moves, no value is used."""

import base64
from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from langchain_core.messages import HumanMessage
from langgraph.checkpoint.base import empty_checkpoint

from agent.conversations.approval_rows import OF_PROGRAMS, ApprovalRows
from agent.conversations.checkpoints import SavedCheckpoint
from agent.conversations.database.database import query
from agent.conversations.drafts import Draft
from agent.conversations.encryption.encryption import Encryption
from agent.conversations.owned_thread import RunKey, ThreadOwner, stored_owner
from agent.conversations.storage import ConversationStorage
from agent.conversations.stored_request import members_of
from agent.conversations.thread import owner_digest
from agent.errors.error_codes import AgentCode
from graph.approvals.grants import Grant
from graph.approvals.record import ApprovalRequest, ApprovalState, Approver
from identity.access_token.sealed_caller import SealingKeys
from identity.errors import ConfigurationError, UnavailableError
from tests.agent.conftest import NewDatabase
from tests.agent.conversations.stored_threads import window
from tests.graph.approvals.conftest import ALICE, BOB, DIGEST, NOW, request_of
from tools.lasting import Lasting

pytestmark = pytest.mark.promise("threads-are-private", "approval-binds")

OF_ALICE, OF_BOB = stored_owner(owner_digest(ALICE)), stored_owner(owner_digest(BOB))
OTHER = "b" * 64


KEYS = SealingKeys.of(base64.urlsafe_b64encode(bytes(range(32))).decode())


@pytest.fixture
def storage(new_database: NewDatabase) -> ConversationStorage:
    encryption = Encryption(KEYS)
    return ConversationStorage(new_database(encryption), encryption, days=90, clock=lambda: NOW)


async def filled(storage: ConversationStorage) -> None:
    """Two threads of alice and one of bob, of two runs each, of which the second goes on, with two drafts
    and a checkpoint. Three approved calls, one that was made, and one that is open. A question of a program.
    """
    for owner, thread_id in ((OF_ALICE, "t"), (OF_ALICE, "t2"), (OF_BOB, "t")):
        for run_id in ("r", "r2"):
            message = HumanMessage(f"{owner.digest} {thread_id} {run_id}")
            await storage.threads.begin_run(RunKey(owner.thread(thread_id), run_id), "p", messages=[message])
            if run_id == "r":
                labels = {"payroll.payslip": f"confidential {owner.digest} {thread_id}"}
                await storage.threads.end_run(RunKey(owner.thread(thread_id), run_id), "idle", read=labels)
        await storage.threads.files.keep(RunKey(owner.thread(thread_id), "r2"), owner.digest.encode())
        shown: list[Any] = [{"type": "content", "text": owner.digest}]
        await storage.threads.write_drafts(
            [Draft(RunKey(owner.thread(thread_id), "r2"), n, shown) for n in (1, 2)]
        )
        await storage.checkpoints.save(
            RunKey(owner.thread(thread_id), "r2"), SavedCheckpoint(empty_checkpoint(), {})
        )
    for approval_id, principal, digest in (
        ("a1", ALICE, DIGEST),
        ("a2", ALICE, OTHER),
        ("b1", BOB, DIGEST),
        ("used", ALICE, DIGEST),
    ):
        call = {"id": approval_id, "call_id": approval_id, "principal": principal, "digest": digest}
        await storage.approvals.open(request_of(**call))
        await storage.approvals.decide(approval_id, principal, approved=True, digest=digest, at=NOW)
    await storage.approvals.use("used", ALICE, DIGEST, NOW)
    await storage.approvals.open(request_of(id="open", call_id="open"))
    await storage.approvals.open(request_of(id="finance", call_id="finance", approvers="finance"))
    asked = ApprovalState(request_of(id="asked", call_id="asked"))
    await storage.database.write(lambda: of_programs(storage).added(asked))
    for grant_id, principal, only in (("a1", ALICE, True), ("a2", ALICE, False), ("b1", BOB, False)):
        asked = request_of(id=grant_id, principal=principal)
        lasting = Lasting(60, only, {"amount": {"equal": 5}})
        given = Grant(request=asked, lasting=lasting, schema="s", token="t", created_at=NOW)
        await storage.grants.add(given)


def of_programs(storage: ConversationStorage) -> ApprovalRows:
    """The questions that a program asks in place of a run."""

    def members(request: ApprovalRequest) -> dict[str, Any]:
        return members_of(request) | {"prepared_by": "program"}

    return ApprovalRows(storage.database, storage.encryption, OF_PROGRAMS, members)


def moved(table: str, column: str, source: str, target: str) -> str:
    return f"UPDATE {table} SET {column} = (SELECT {column} FROM {table} WHERE {source}) WHERE {target}"  # noqa: S608 - constants


def title(owner: ThreadOwner, thread_id: str) -> str:
    return f"owner = '{owner.digest}' AND id = '{thread_id}'"


def message(owner: ThreadOwner, thread_id: str, run_id: str) -> str:
    thread = f"(SELECT key FROM threads WHERE {title(owner, thread_id)})"  # noqa: S608 - constants
    return f"thread_key = {thread} AND run_id = '{run_id}'"


def of_thread(owner: ThreadOwner, thread_id: str) -> str:
    return f"thread_key = (SELECT key FROM threads WHERE {title(owner, thread_id)})"  # noqa: S608 - constants


def draft(owner: ThreadOwner, thread_id: str, number: int = 1) -> str:
    return f"{of_thread(owner, thread_id)} AND number = {number}"


Read = Callable[[ConversationStorage], Awaitable[Any]]


def titles(storage: ConversationStorage) -> Awaitable[Any]:
    return storage.threads.get(OF_BOB.thread("t"))


def messages(storage: ConversationStorage) -> Awaitable[Any]:
    return window(storage.threads, OF_BOB.thread("t"))


def use(storage: ConversationStorage) -> Awaitable[Any]:
    return storage.approvals.use("a2", ALICE, DIGEST, NOW)


def checkpoint(storage: ConversationStorage) -> Awaitable[Any]:
    return storage.checkpoints.load(RunKey(OF_ALICE.thread("t"), "r2"))


def grants(storage: ConversationStorage) -> Awaitable[Any]:
    return storage.grants.of(ALICE, NOW)


async def files(storage: ConversationStorage) -> Any:
    kept = storage.threads.files
    return await kept.read(OF_BOB.thread("t"), await kept.ids(OF_BOB.thread("t")))


async def begun_again(storage: ConversationStorage, owner: ThreadOwner) -> Any:
    await storage.threads.end_run(RunKey(owner.thread("t"), "r2"), "idle")
    return await storage.threads.begin_run(RunKey(owner.thread("t"), "r3"), "p")


MOVES: dict[str, tuple[str, Read]] = {
    "title of another owner": (moved("threads", "title", title(OF_ALICE, "t"), title(OF_BOB, "t")), titles),
    "title of another thread": (
        moved("threads", "title", title(OF_ALICE, "t"), title(OF_ALICE, "t2")),
        lambda storage: storage.threads.get(OF_ALICE.thread("t2")),
    ),
    "thread given to another owner": (
        f"UPDATE threads SET owner = '{OF_BOB.digest}' WHERE id = 't2'",  # noqa: S608 - constants
        lambda storage: window(storage.threads, OF_BOB.thread("t2")),
    ),
    "labels of another owner": (
        moved("threads", "labels", title(OF_ALICE, "t"), title(OF_BOB, "t")),
        lambda storage: begun_again(storage, OF_BOB),
    ),
    "message of another owner": (
        moved("messages", "body", message(OF_ALICE, "t", "r"), message(OF_BOB, "t", "r")),
        messages,
    ),
    "message of another thread": (
        moved("messages", "body", message(OF_ALICE, "t", "r"), message(OF_ALICE, "t2", "r")),
        lambda storage: window(storage.threads, OF_ALICE.thread("t2")),
    ),
    "message of another run": (
        moved("messages", "body", message(OF_BOB, "t", "r2"), message(OF_BOB, "t", "r")),
        messages,
    ),
    "file of another owner": (
        moved("files", "body", of_thread(OF_ALICE, "t"), of_thread(OF_BOB, "t")),
        files,
    ),
    "file given to another thread": (
        f"UPDATE files SET thread_key = (SELECT key FROM threads WHERE {title(OF_BOB, 't')})",  # noqa: S608 - constants
        files,
    ),
    "draft of another owner": (
        moved("drafts", "body", draft(OF_ALICE, "t"), draft(OF_BOB, "t")),
        lambda storage: storage.threads.drafted(RunKey(OF_BOB.thread("t"), "r2")),
    ),
    "draft of another thread": (
        moved("drafts", "body", draft(OF_ALICE, "t"), draft(OF_ALICE, "t2")),
        lambda storage: storage.threads.drafted(RunKey(OF_ALICE.thread("t2"), "r2")),
    ),
    "draft of another number": (
        moved("drafts", "body", draft(OF_BOB, "t", 2), draft(OF_BOB, "t", 1)),
        lambda storage: storage.threads.drafted(RunKey(OF_BOB.thread("t"), "r2")),
    ),
    "drafts given to another run": (
        "UPDATE drafts SET run_id = 'r'",
        lambda storage: storage.threads.drafted(RunKey(OF_BOB.thread("t"), "r")),
    ),
    "message in place of a title": (
        "UPDATE threads SET title = (SELECT body FROM messages WHERE thread_key = key LIMIT 1)",
        titles,
    ),
    "checkpoint of another owner": (
        moved("checkpoints", "body", of_thread(OF_BOB, "t"), of_thread(OF_ALICE, "t")),
        checkpoint,
    ),
    "checkpoint of another thread": (
        moved("checkpoints", "body", of_thread(OF_ALICE, "t2"), of_thread(OF_ALICE, "t")),
        checkpoint,
    ),
    "checkpoint given to another run": (
        "UPDATE checkpoints SET run_id = 'r'",
        lambda storage: storage.checkpoints.load(RunKey(OF_ALICE.thread("t"), "r")),
    ),
    "draft in place of a checkpoint": (
        "UPDATE checkpoints SET body = (SELECT body FROM drafts WHERE number = 1 LIMIT 1)",
        checkpoint,
    ),
    "request of another approval": (moved("approvals", "body", "id = 'a1'", "id = 'a2'"), use),
    "approval given to another owner": (
        f"UPDATE approvals SET owner = '{OF_BOB.digest}' WHERE id = 'open'",  # noqa: S608 - constants
        lambda storage: storage.approvals.get("open", BOB),
    ),
    "approval given to another thread": (
        "UPDATE approvals SET thread_id = 't2' WHERE id = 'open'",
        lambda storage: storage.approvals.get("open", ALICE),
    ),
    "state of another approval": (moved("approvals", "state", "id = 'a1'", "id = 'a2'"), use),
    "state of another owner": (
        moved("approvals", "state", "id = 'a1'", "id = 'b1'"),
        lambda storage: storage.approvals.use("b1", BOB, DIGEST, NOW),
    ),
    "request in place of a state": (
        "UPDATE approvals SET state = body",
        lambda storage: storage.approvals.get("a1", ALICE),
    ),
    "approval of a call that was made": (
        "UPDATE approvals SET status = 'approved' WHERE id = 'used'",
        lambda storage: storage.approvals.use("used", ALICE, DIGEST, NOW),
    ),
    "grant of another approval": (moved("grants", "body", "id = 'a1'", "id = 'a2'"), grants),
    "grant given to another owner": (
        f"UPDATE grants SET owner = '{OF_BOB.digest}' WHERE id = 'a1'",  # noqa: S608 - constants
        lambda storage: storage.grants.of(BOB, NOW),
    ),
    "grant for all conversations": ("UPDATE grants SET thread_id = NULL WHERE id = 'a1'", grants),
    "grant of another conversation": ("UPDATE grants SET thread_id = 't2' WHERE id = 'a1'", grants),
    "grant that lasts longer": ("UPDATE grants SET ends_at = ends_at + 1 WHERE id = 'a1'", grants),
    "question given to approvers": (
        "UPDATE approvals SET approvers = 'staff' WHERE id = 'open'",
        lambda storage: storage.approvals.get("open", ALICE),
    ),
    "question given to other approvers": (
        "UPDATE approvals SET approvers = 'staff' WHERE id = 'finance'",
        lambda storage: storage.approvals.asked_of(Approver(BOB, frozenset({"staff"})), NOW),
    ),
    "question of a run given to a program": (
        "UPDATE approvals SET prepared_by = 'program' WHERE id = 'open'",
        lambda storage: of_programs(storage).read(None, "id = 'open'"),
    ),
    "question of a program given to a run": (
        "UPDATE approvals SET prepared_by = NULL WHERE id = 'asked'",
        lambda storage: storage.approvals.get("asked", ALICE),
    ),
    "approval of an open question": (
        "UPDATE approvals SET status = 'approved' WHERE id = 'open'",
        lambda storage: storage.approvals.use("open", ALICE, DIGEST, NOW),
    ),
}


SEALED_ABOVE = pytest.mark.parametrize("new_database", ["sqlite"], indirect=True)
"""Values are sealed above the database, which stores the same bytes in either."""


@SEALED_ABOVE
@pytest.mark.parametrize("move", MOVES)
async def test_moved_value_is_not_read(storage: ConversationStorage, move: str) -> None:
    sql, read = MOVES[move]
    await filled(storage)
    await storage.approvals.get("a1", ALICE)
    assert await storage.database.write(lambda: query(f"{sql} RETURNING 1"))
    with pytest.raises((ConfigurationError, UnavailableError)) as caught:
        await read(storage)
    assert caught.value.code is AgentCode.CONVERSATION_UNREADABLE


FORGED: dict[str, Read] = {
    "title": lambda storage: storage.threads.get(OF_ALICE.thread("t")),
    "message": lambda storage: storage.threads.messages(OF_ALICE.thread("t"), limit=9),
    "message in an export": lambda storage: storage.threads.exported(OF_ALICE.thread("t")),
    "draft": lambda storage: storage.threads.drafted(RunKey(OF_ALICE.thread("t"), "r2")),
    "checkpoint": checkpoint,
    "request": lambda storage: storage.approvals.pending(ALICE),
    "approval": lambda storage: storage.approvals.use("a1", ALICE, DIGEST, NOW),
    "grant": grants,
}


@SEALED_ABOVE
@pytest.mark.parametrize("forged", FORGED)
async def test_value_in_clear_is_refused_under_a_key_unless_the_file_allows_it(storage, new_database, forged):
    await storage.threads.page(OF_ALICE, limit=1)
    attacker = ConversationStorage(new_database(), Encryption(), days=90, clock=lambda: NOW)
    await filled(attacker)
    with pytest.raises((ConfigurationError, UnavailableError)) as caught:
        await FORGED[forged](storage)
    assert caught.value.code is AgentCode.CONVERSATION_UNREADABLE
    with pytest.raises(ConfigurationError) as checked:
        await storage.check()
    assert checked.value.code is AgentCode.CONVERSATION_UNREADABLE
    allows = Encryption(KEYS, allows_clear=True)
    allowed = ConversationStorage(new_database(allows), allows, days=90, clock=lambda: NOW)
    await FORGED[forged](allowed)
    with pytest.raises(ConfigurationError) as checked:
        await allowed.check()
    assert checked.value.code is AgentCode.CONVERSATIONS_CLEAR_ALLOWED


async def test_thread_whose_title_is_refused_is_listed_without_it_and_can_be_renamed_and_deleted(storage):
    threads = storage.threads
    for thread_id in ("t", "other"):
        await threads.open(OF_ALICE, thread_id, "My title")
    await storage.database.write(lambda: query("UPDATE threads SET title = ? WHERE id = 't'", b"\0forged"))
    assert {each.id: each.title for each in (await threads.page(OF_ALICE, limit=9))[0]} == {
        "t": None,
        "other": "My title",
    }
    assert (await threads.delete(OF_ALICE.thread("t"))).title is None
    await threads.restore(OF_ALICE.thread("t"))
    assert (await threads.rename(OF_ALICE.thread("t"), "Again")).title == "Again"
