"""A writer of the database who moves a sealed value to another row makes it unreadable, not another's."""

import base64
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest
from langchain_core.messages import HumanMessage

from agent.conversations.database.database import query
from agent.conversations.database.sqlite_database import SqliteDatabase
from agent.conversations.encryption.encryption import Encryption
from agent.conversations.storage import ConversationStorage
from agent.conversations.store.drafts import Draft
from agent.conversations.store.thread import owner_of
from identity.errors import ConfigurationError, UnavailableError
from identity.sealing.sealing_keys import SealingKeys
from tests.graph.approvals.conftest import ALICE, BOB, DIGEST, NOW, RequestOf, request_of  # noqa: F401

pytestmark = pytest.mark.promise("threads-are-private", "approval-binds")

OF_ALICE, OF_BOB = owner_of(ALICE), owner_of(BOB)
OTHER = "b" * 64


@pytest.fixture
async def storage(tmp_path: Path) -> AsyncIterator[ConversationStorage]:
    encryption = Encryption(SealingKeys.of(base64.urlsafe_b64encode(bytes(range(32))).decode()))
    made = ConversationStorage(SqliteDatabase(tmp_path / "c.db"), encryption, days=90, clock=lambda: NOW)
    yield made
    await made.aclose()


async def filled(storage: ConversationStorage, request_of: RequestOf) -> None:  # noqa: F811
    """Two threads of alice and one of bob, of two runs each, of which the second goes on, with a draft. Three
    approved calls, and one that is open.
    """
    for owner, thread_id in ((OF_ALICE, "t"), (OF_ALICE, "t2"), (OF_BOB, "t")):
        for run_id in ("r", "r2"):
            message = HumanMessage(f"{owner} {thread_id} {run_id}")
            await storage.threads.begin_run(owner, thread_id, run_id, "p", messages=[message])
            if run_id == "r":
                await storage.threads.end_run(owner, thread_id, run_id, "idle")
        shown: list[Any] = [{"type": "content", "text": owner}]
        await storage.threads.write_drafts([Draft(owner, thread_id, "r2", 1, shown)])
    for approval_id, principal, digest in (
        ("a1", ALICE, DIGEST),
        ("a2", ALICE, OTHER),
        ("b1", BOB, DIGEST),
    ):
        await storage.approvals.open(request_of(id=approval_id, principal=principal, digest=digest))
        await storage.approvals.decide(approval_id, principal, approved=True, digest=digest, at=NOW)
    await storage.approvals.open(request_of(id="open"))


def moved(table: str, column: str, source: str, target: str) -> str:
    return f"UPDATE {table} SET {column} = (SELECT {column} FROM {table} WHERE {source}) WHERE {target}"  # noqa: S608 - constants


def title(owner: str, thread_id: str) -> str:
    return f"owner = '{owner}' AND id = '{thread_id}'"


def message(owner: str, thread_id: str, run_id: str) -> str:
    thread = f"(SELECT key FROM threads WHERE {title(owner, thread_id)})"  # noqa: S608 - constants
    return f"thread_key = {thread} AND run_id = '{run_id}'"


def draft(owner: str, thread_id: str) -> str:
    return f"thread_key = (SELECT key FROM threads WHERE {title(owner, thread_id)})"  # noqa: S608 - constants


Read = Callable[[ConversationStorage], Awaitable[Any]]


def titles(storage: ConversationStorage) -> Awaitable[Any]:
    return storage.threads.get(OF_BOB, "t")


def messages(storage: ConversationStorage) -> Awaitable[Any]:
    return storage.threads.window(OF_BOB, "t", 1000)


def use(storage: ConversationStorage) -> Awaitable[Any]:
    return storage.approvals.use("a2", ALICE, DIGEST, NOW)


MOVES: dict[str, tuple[str, Read]] = {
    "title of another owner": (
        moved("threads", "title", title(OF_ALICE, "t"), title(OF_BOB, "t")),
        titles,
    ),
    "title of another thread": (
        moved("threads", "title", title(OF_ALICE, "t"), title(OF_ALICE, "t2")),
        lambda storage: storage.threads.get(OF_ALICE, "t2"),
    ),
    "thread given to another owner": (
        f"UPDATE threads SET owner = '{OF_BOB}' WHERE id = 't2'",  # noqa: S608 - constants
        lambda storage: storage.threads.window(OF_BOB, "t2", 1000),
    ),
    "message of another owner": (
        moved("messages", "body", message(OF_ALICE, "t", "r"), message(OF_BOB, "t", "r")),
        messages,
    ),
    "message of another thread": (
        moved("messages", "body", message(OF_ALICE, "t", "r"), message(OF_ALICE, "t2", "r")),
        lambda storage: storage.threads.window(OF_ALICE, "t2", 1000),
    ),
    "message of another run": (
        moved("messages", "body", message(OF_BOB, "t", "r2"), message(OF_BOB, "t", "r")),
        messages,
    ),
    "draft of another owner": (
        moved("drafts", "body", draft(OF_ALICE, "t"), draft(OF_BOB, "t")),
        lambda storage: storage.threads.drafted(OF_BOB, "t", "r2"),
    ),
    "request of another approval": (moved("approvals", "body", "id = 'a1'", "id = 'a2'"), use),
    "approval given to another owner": (
        f"UPDATE approvals SET owner = '{OF_BOB}' WHERE id = 'open'",  # noqa: S608 - constants
        lambda storage: storage.approvals.get("open", BOB),
    ),
    "digest of another approval": (moved("approvals", "approved", "id = 'a1'", "id = 'a2'"), use),
    "digest of another owner": (
        moved("approvals", "approved", "id = 'a1'", "id = 'b1'"),
        lambda storage: storage.approvals.use("b1", BOB, DIGEST, NOW),
    ),
    "request in place of a digest": (
        "UPDATE approvals SET approved = body",
        lambda storage: storage.approvals.get("a1", ALICE),
    ),
}


@pytest.mark.parametrize("move", MOVES)
async def test_moved_value_is_not_read(
    storage: ConversationStorage,
    request_of: RequestOf,  # noqa: F811
    move: str,
) -> None:
    sql, read = MOVES[move]
    await filled(storage, request_of)
    await storage.approvals.get("a1", ALICE)
    assert await storage._database.write(lambda: query(f"{sql} RETURNING 1"))
    with pytest.raises((ConfigurationError, UnavailableError)) as caught:
        await read(storage)
    assert "another place" in caught.value.detail
