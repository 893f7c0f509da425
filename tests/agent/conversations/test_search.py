"""Conversations are found by what was written in them, also if it is encrypted, and by their owner alone."""

import base64

import pytest
from langchain_core.messages import AIMessage, HumanMessage, ToolMessage

from agent.conversations.database.database import Database, query
from agent.conversations.encryption.encryption import Encryption
from agent.conversations.search_terms import MOST_TERMS, MOST_WANTED, TERM_BYTES, SearchTerms
from agent.conversations.storage import ConversationStorage
from agent.conversations.threads import ThreadStore
from identity.access_token.sealed_caller import SealingKeys
from tests.agent.conftest import NewDatabase
from tests.agent.conversations.stored_threads import ALICE, BOB, RUN, Clock, CountedReads, asked

KEY, OTHER = (base64.urlsafe_b64encode(bytes([n]) * 32).decode() for n in (1, 2))


@pytest.fixture(params=["clear", "encrypted"])
def encryption(request: pytest.FixtureRequest) -> Encryption:
    return Encryption(SealingKeys.of(KEY) if request.param == "encrypted" else None)


@pytest.fixture
def database(new_database: NewDatabase) -> Database:
    return new_database()


@pytest.fixture
def threads(database: Database, encryption: Encryption) -> ThreadStore:
    return ThreadStore(database, encryption, clock=Clock())


async def ids(threads: ThreadStore, search: str, owner: str = ALICE) -> list[str]:
    found, cursor = await threads.page(owner, limit=10, search=search)
    assert cursor is None
    return [thread.id for thread in found]


async def number_of_terms(database: Database) -> int:
    [[number]] = await database.read(lambda: query("SELECT count(*) FROM terms"))
    return number


async def test_conversation_is_found_by_all_words_of_its_questions_and_answers(threads: ThreadStore) -> None:
    await asked(threads, "leave", "How many days of LEAVE do I have?", "And in Zürich, naïve Straße?")
    await asked(threads, "weather", "What is the weather in Hangzhou?")
    await threads.rename(ALICE.thread("weather"), "Lake")
    assert await ids(threads, "zurich") == []
    assert await ids(threads, "have zürich") == await ids(threads, 'STRASSE days, "Answer"') == ["leave"]
    assert await ids(threads, "answer") == ["weather", "leave"]
    assert await ids(threads, "answer hangzhou lake") == ["weather"]
    assert await ids(threads, "hangzhou leave") == []
    assert await ids(threads, "?!") == []


@pytest.mark.parametrize(
    ("search", "expected"),
    [("西湖", ["t"]), ("西湖天气", ["t"]), ("天湖", []), ("気温", ["t"]), ("การลา", ["t"]), ("학교", ["t"])],
)
async def test_scripts_without_spaces_are_found_by_parts(threads, search, expected):
    await asked(threads, "t", "Now", "杭州西湖天气怎么样? 今日の気温 ขอการลาป่วย 학교에")
    assert await ids(threads, search) == expected


async def test_title_is_found_while_it_is_typed_and_no_more_after_it_was_changed(threads, database):
    await threads.open(ALICE, "opened", "Planned absences")
    await asked(threads, "asked", "Planning ahead")
    assert await ids(threads, "pl") == await ids(threads, "plan") == ["asked", "opened"]
    assert await ids(threads, "anning") == []
    before = await number_of_terms(database)
    await threads.rename(ALICE.thread("opened"), "请假")
    await threads.rename(ALICE.thread("opened"), "Planned absences")
    assert await number_of_terms(database) == before
    await threads.rename(ALICE.thread("opened"), "请假")
    await threads.open(ALICE, "unnamed")
    await threads.rename(ALICE.thread("unnamed"), "…")
    await threads.rename(ALICE.thread("unnamed"), "Later")
    assert await ids(threads, "late") == ["unnamed"]
    assert await ids(threads, "plan") == ["asked"]
    assert await ids(threads, "假") == ["opened"]


async def test_every_message_of_a_run_is_searched_but_results_of_tools(threads: ThreadStore) -> None:
    await threads.begin_run(RUN, "p", messages=[HumanMessage("first"), HumanMessage("second")])
    call = {"id": "c", "name": "tool", "args": {"city": "Suzhou"}}
    await threads.append(RUN, [AIMessage("looking", tool_calls=[call])])
    await threads.append(RUN, [ToolMessage("sunny", tool_call_id="c")])
    await threads.end_run(RUN, "idle", [AIMessage("fine")])
    assert await ids(threads, "first second looking fine") == ["t"]
    assert await ids(threads, "sunny") == await ids(threads, "suzhou") == []


@pytest.mark.promise("threads-are-private")
async def test_terms_of_two_users_are_unequal_and_find_no_other_users_conversation(threads, database):
    await asked(threads, "t", "salary of the director")
    one = await number_of_terms(database)
    await asked(threads, "t", "salary of the director", owner=BOB)
    [[distinct]] = await database.read(lambda: query("SELECT count(DISTINCT term) FROM terms"))
    assert distinct == 2 * one
    await threads.delete_all(BOB)
    assert await ids(threads, "salary") == ["t"]
    assert await ids(threads, "salary", BOB) == []


@pytest.mark.promise("threads-are-private")
async def test_terms_depend_on_the_key(new_database: NewDatabase) -> None:
    database = new_database()
    await asked(ThreadStore(database, Encryption(SealingKeys.of(KEY))), "t", "salary")
    stored = {term for [term] in await database.read(lambda: query("SELECT term FROM terms"))}
    for keys, known in ((None, False), (SealingKeys.of(OTHER), False), (SealingKeys.of(KEY), True)):
        wanted = SearchTerms(Encryption(keys)).wanted(ALICE.digest, "salary")
        assert any(term in stored for terms in wanted for term in terms) is known


@pytest.mark.promise("threads-are-private")
async def test_terms_without_a_key_are_searched_only_while_clear_is_allowed(new_database):
    await asked(ThreadStore(new_database(), Encryption()), "t", "salary")
    stored = {term for [term] in await new_database().read(lambda: query("SELECT term FROM terms"))}
    for allowed in (True, False):
        sealed = Encryption(SealingKeys.of(KEY), allows_clear=allowed)
        wanted = SearchTerms(sealed).wanted(ALICE.digest, "salary")
        assert any(term in stored for terms in wanted for term in terms) is allowed


async def test_terms_of_a_message_are_bounded_and_count_as_stored(threads, database):
    await threads.open(ALICE, "t", "x")
    [[before]] = await database.read(lambda: query("SELECT bytes FROM threads"))
    terms = await number_of_terms(database)
    text = " ".join(f"word{number}" for number in range(3_000))
    await threads.begin_run(RUN, "p", messages=[HumanMessage(text)])
    assert await number_of_terms(database) == terms + MOST_TERMS
    [[after]] = await database.read(lambda: query("SELECT bytes FROM threads"))
    assert len(text) + MOST_TERMS * TERM_BYTES < after - before < len(text) + MOST_TERMS * TERM_BYTES + 1_000
    assert await ids(threads, f"word{MOST_TERMS - 1}") == ["t"]
    assert await ids(threads, f"word{MOST_TERMS}") == []
    assert await ids(threads, " ".join(f"word{number}" for number in range(MOST_WANTED)) + " other") == ["t"]


async def test_pages_of_a_search_are_in_order_and_whole_and_others_are_served_between(database, encryption):
    counted = CountedReads(database)
    threads = ThreadStore(counted, encryption, clock=Clock())
    for number in range(1_100):
        await threads.open(ALICE, f"t{number}", "odd" if number % 2 else "even")
    found: list[str] = []
    cursor = None
    while True:
        page, cursor = await threads.page(ALICE, limit=120, before=cursor, search="odd")
        found += [thread.id for thread in page]
        if cursor is None:
            break
    assert found == [f"t{number}" for number in range(1_099, 0, -2)]
    counted.transactions.clear()
    assert await ids(threads, "od even") == []
    assert [rows for rows, _ in counted.transactions] == [500, 500, 100]


async def test_terms_end_with_their_conversation(threads, database, encryption):
    await asked(threads, "kept", "same words")
    before = await number_of_terms(database)
    await asked(threads, "gone", "same words", "and others")
    await threads.delete(ALICE.thread("gone"))
    assert await ids(threads, "same") == ["kept"]
    storage = ConversationStorage(database, encryption, days=90, clock=lambda: 1_700.0)
    assert await storage.retention.purge() == 1
    assert await number_of_terms(database) == before
