"""Keys of stored conversations: a missing one is an error at once, and a former one becomes superfluous."""

import base64
from typing import Any

import pytest
from langchain_core.messages import AIMessage, HumanMessage
from langgraph.checkpoint.base import empty_checkpoint

from agent.conversations.checkpoints import SavedCheckpoint
from agent.conversations.database.database import Database, query
from agent.conversations.drafts import Draft
from agent.conversations.encryption.encryption import Encryption, KeyRegister
from agent.conversations.encryption.reencryption import Reencryption
from agent.conversations.owned_thread import RunKey, stored_owner
from agent.conversations.storage import ConversationStorage
from agent.conversations.thread import owner_digest
from agent.conversations.threads import ThreadStore
from agent.errors.error_codes import AgentCode
from identity.access_token.sealed_caller import SealingKeys
from identity.errors import ConfigurationError
from tests.agent.conftest import NewDatabase
from tests.agent.conversations.stored_threads import window as window_of
from tests.graph.approvals.conftest import ALICE, DIGEST, NOW, request_of

OWNER = stored_owner(owner_digest(ALICE))
RUN = RunKey(OWNER.thread("t3"), "r")
FORMER, PRESENT = (base64.urlsafe_b64encode(bytes([n]) * 32).decode() for n in (1, 2))
TABLES = ("threads", "messages", "files", "terms", "drafts", "approvals", "checkpoints")


def encryption(*keys: str, allows_clear: bool = False) -> Encryption:
    return Encryption(SealingKeys.of("\n".join(keys)) if keys else None, allows_clear=allows_clear)


def storage(new_database: NewDatabase, *keys: str) -> ConversationStorage:
    given = encryption(*keys)
    return ConversationStorage(new_database(given), given, days=90, clock=lambda: NOW)


def reencryption_of(new_database: NewDatabase, given: Encryption) -> Reencryption:
    database = new_database(given)
    return Reencryption(database, given, ThreadStore(database, given).index_anew)


async def filled(storage: ConversationStorage, request: Any) -> None:
    threads = storage.threads
    for number in range(3):
        await threads.begin_run(
            RunKey(OWNER.thread(f"t{number}"), "r"), "p", messages=[HumanMessage("My plan")]
        )
        await threads.end_run(
            RunKey(OWNER.thread(f"t{number}"), "r"), "idle", [AIMessage("The plan is fine")]
        )
    await threads.begin_run(RUN, "p", messages=[HumanMessage("My plan")])
    assert await threads.files.keep(RUN, b"My plan, drawn")
    assert await threads.files.keep(RUN, b"My plan, drawn again")
    await threads.write_drafts([Draft(RUN, 1, [{"type": "content", "text": "The plan is"}])])
    saved = SavedCheckpoint(empty_checkpoint() | {"channel_values": {"text": "My plan"}}, {})
    await storage.checkpoints.save(RUN, saved)
    await storage.approvals.open(request)
    await storage.approvals.decide("1", ALICE, approved=True, digest=DIGEST, at=NOW)


async def stored(database: Database) -> str:
    """All rows, with bytes as hexadecimal digits and as text."""
    found = [
        each
        for table in TABLES
        for row in await database.read(lambda table=table: query(f"SELECT * FROM {table}"))  # noqa: S608 - constants
        for each in row
    ]
    return "\n".join(each.hex() + repr(each) if isinstance(each, bytes) else str(each) for each in found)


@pytest.mark.parametrize("keys", [(), (PRESENT,)], ids=["no key", "another key"])
async def test_first_use_without_the_key_is_an_error_that_names_it_and_changes_nothing(new_database, keys):
    await filled(storage(new_database, FORMER), request_of())
    before = await stored(new_database())
    lacking = storage(new_database, *keys)
    for use in (
        lacking.threads.open(OWNER),
        lacking.threads.get(OWNER.thread("t0")),
        lacking.checkpoints.load(RUN),
        lacking.check(),
    ):
        with pytest.raises(ConfigurationError) as caught:
            await use
        assert caught.value.code is AgentCode.CONVERSATIONS_KEY_MISSING
        assert encryption(FORMER).key_names[0] in caught.value.detail
        assert FORMER not in caught.value.detail
    assert await stored(new_database()) == before
    again = storage(new_database, FORMER)
    assert (await again.threads.get(OWNER.thread("t0"))).title == "My plan"


@pytest.mark.promise("no-secret-leaves")
async def test_nothing_of_titles_messages_and_requests_is_stored_in_clear_under_a_key(new_database):
    asked = {"service": "secret-bank", "tool": "secret-pay", "scope": "secret-scope"}
    await filled(storage(new_database, PRESENT), request_of(**asked))
    rows = await stored(new_database())
    for hidden in ("plan", "My ", "secret", DIGEST, ALICE.subject, "https"):
        assert hidden not in rows
        assert hidden.encode().hex() not in rows


@pytest.mark.parametrize("former", [(), (FORMER,)], ids=["in clear", "former key"])
async def test_everything_is_brought_under_the_present_key(new_database, former):
    await filled(storage(new_database, *former), request_of())
    both = encryption(PRESENT, *former, allows_clear=not former)
    database = new_database(both)
    reencryption = reencryption_of(new_database, both)
    found, _ = await ThreadStore(database, both).page(OWNER, limit=9, search="fine")
    assert len(found) == 3
    assert await reencryption.run() == 4 + 7 + 2 + 1 + 2 + 1
    assert await reencryption.run() == 0
    present = storage(new_database, PRESENT)
    for search, number in (("fine", 3), ("my pl", 4), ("lost", 0)):
        found, _ = await present.threads.page(OWNER, limit=9, search=search)
        assert len(found) == number
    terms = await database.read(lambda: query("SELECT term FROM terms"))
    assert len(terms) == 4 * 8 + 3 * 3  # of the former key, none is left
    assert (await present.threads.get(OWNER.thread("t2"))).title == "My plan"
    window = await window_of(present.threads, OWNER.thread("t1"))
    assert [message.text for message in window] == ["My plan", "The plan is fine"]
    await present.approvals.use("1", ALICE, DIGEST, NOW)
    _, [shown] = await present.threads.drafted(RUN)
    assert shown == {"type": "content", "text": "The plan is"}
    assert await present.checkpoints.load(RUN) is not None
    assert "plan" not in await stored(database)
    with pytest.raises(ConfigurationError):
        await storage(new_database, *former).threads.get(OWNER.thread("t2"))


async def test_pass_covers_more_rows_than_it_reads_at_a_time(new_database: NewDatabase) -> None:
    threads = storage(new_database).threads
    await threads.begin_run(
        RunKey(OWNER.thread("t"), "r"), "p", messages=[HumanMessage(str(n)) for n in range(450)]
    )
    given = encryption(PRESENT, allows_clear=True)
    assert await reencryption_of(new_database, given).run() == 451


@pytest.mark.promise("approval-binds")
async def test_forged_and_moved_values_are_never_sealed_by_a_rotation_and_keep_the_former_key(
    new_database: NewDatabase, caplog: pytest.LogCaptureFixture
) -> None:
    database = new_database()
    await filled(storage(new_database, FORMER), request_of())
    await database.write(lambda: query("UPDATE messages SET body = ? WHERE seq = 1", b"\0forged"))
    await database.write(lambda: query("UPDATE approvals SET state = body"))
    await database.write(lambda: query("UPDATE approvals SET body = ?", b"\0{}"))
    rows = [await database.read(lambda sql=sql: query(sql)) for sql in FORGED_ROWS]
    both = encryption(PRESENT, FORMER)
    assert await reencryption_of(new_database, both).run() == 4 + 3 + 2 + 1 + 1
    assert [await database.read(lambda sql=sql: query(sql)) for sql in FORGED_ROWS] == rows
    assert "6 stored values cannot be opened" in caplog.text
    assert await database.read(KeyRegister(both).former) == [encryption(FORMER).key_names[0]]


FORGED_ROWS = ("SELECT body FROM messages WHERE seq = 1 ORDER BY thread_key", "SELECT * FROM approvals")


async def test_conversations_in_clear_need_a_line_of_the_key_file(new_database: NewDatabase) -> None:
    await storage(new_database).threads.open(OWNER, "t", "My plan")
    await new_database(encryption()).write(KeyRegister(encryption()).enter)
    strict, allows = encryption(PRESENT), encryption(PRESENT, allows_clear=True)
    with pytest.raises(ConfigurationError) as caught:
        await ThreadStore(new_database(strict), strict).get(OWNER.thread("t"))
    assert (caught.value.code, 'lacks the line "clear"' in caught.value.detail) == (
        AgentCode.CONVERSATIONS_KEY_MISSING,
        True,
    )
    assert await reencryption_of(new_database, allows).run() == 1
    assert (await ThreadStore(new_database(strict), strict).get(OWNER.thread("t"))).title == "My plan"


async def test_register_keeps_the_keys_under_which_something_may_be_stored(new_database: NewDatabase) -> None:
    database = new_database()
    await database.write(KeyRegister(encryption()).enter)
    await database.write(KeyRegister(encryption(FORMER, allows_clear=True)).enter)
    register = KeyRegister(encryption(PRESENT, FORMER, allows_clear=True))
    await database.write(register.enter)
    assert set(await database.read(register.former)) == {"clear", encryption(FORMER).key_names[0]}
