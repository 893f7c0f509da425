"""Chats begin in one way on every surface: a conversation takes a message once, whoever sends it again."""

import pytest

from agent.conversations.thread import MessageStoredError
from agent.runs.chats import Chats, NotStoredError
from identity.errors import LimitError, ThreadNotFoundError
from tests.agent.conversations.processes import ALICE, BOB, THREAD, HangingService, ProcessOf, human, in_brief
from tests.graph.scripted_model import DONE, calls

ASKED, MORE = human("first"), human("more")


async def test_chat_without_a_conversation_stores_nothing(process: ProcessOf) -> None:
    one = process([DONE])
    reader = await Chats(one.runs, one.conversations).begin(ALICE, [ASKED], None, streaming=True)
    assert [event async for event in reader]
    assert (reader.run.thread_id, reader.keep) == ("", False)
    with pytest.raises(ThreadNotFoundError):
        await one.status()


async def test_conversation_of_an_agent_that_stores_none_starts_nothing(process: ProcessOf) -> None:
    one = process([DONE])
    with pytest.raises(NotStoredError):
        await Chats(one.runs, None).begin(ALICE, [ASKED], THREAD, streaming=True)
    assert (one.bench.model.asked, one.runs.limit.counted) == ([], {})


async def test_message_that_is_sent_again_starts_nothing_and_names_its_run(process: ProcessOf) -> None:
    one = process([DONE])
    chats = Chats(one.runs, one.conversations)
    reader = await chats.begin(ALICE, [ASKED], THREAD, streaming=True)
    assert [event async for event in reader]

    with pytest.raises(MessageStoredError) as refused:
        await chats.begin(ALICE, [ASKED], THREAD, streaming=True)
    assert refused.value.runs == {ASKED.id: reader.run.id}
    assert len(one.bench.model.asked) == 1


async def test_of_messages_that_are_sent_again_those_that_are_new_begin_the_run(process: ProcessOf) -> None:
    one = process([DONE])
    chats = Chats(one.runs, one.conversations)
    for messages in ([ASKED], [ASKED, MORE]):
        reader = await chats.begin(ALICE, messages, THREAD, streaming=True)
        assert [event async for event in reader]
    assert [text for kind, text in in_brief(await one.transcript()) if kind == "human"] == ["first", "more"]


async def test_message_that_is_sent_again_is_recognized_while_its_caller_may_start_no_run(
    process: ProcessOf,
) -> None:
    one = process([calls(("weather", {}))] * 2, HangingService(weather="sunny"))
    chats = Chats(one.runs, one.conversations)
    begun = await chats.begin(ALICE, [ASKED], THREAD, streaming=True)
    await chats.begin(ALICE, [human("another")], "thread-2", streaming=True)

    with pytest.raises(MessageStoredError) as refused:
        await chats.begin(ALICE, [ASKED], THREAD, streaming=True)
    assert refused.value.runs == {ASKED.id: begun.run.id}
    for messages in ([MORE], [ASKED, MORE]):
        with pytest.raises(LimitError):
            await chats.begin(ALICE, messages, THREAD, streaming=True)


async def test_message_of_another_user_s_conversation_is_not_recognized(process: ProcessOf) -> None:
    one = process([DONE])
    chats = Chats(one.runs, one.conversations)
    for caller in (ALICE, BOB):
        reader = await chats.begin(caller, [ASKED], THREAD, streaming=True)
        assert [event async for event in reader]
    assert len(one.bench.model.asked) == 2
