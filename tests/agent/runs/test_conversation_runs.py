"""Runs of conversations: what they add to the transcript, however they end, and for whom."""

from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from agent.conversations.owned_thread import OwnedThread
from agent.conversations.thread import Thread
from agent.conversations.threads import ThreadStore
from agent.errors.error_codes import AgentCode
from identity.errors import LimitError, ThreadBusyError, ThreadNotFoundError
from tests.agent.conversations.processes import ALICE, THREAD, HangingService, ProcessOf, human, in_brief
from tests.graph.scripted_model import DONE, calls


async def test_long_conversation_is_trimmed_for_the_model_and_never_refused(process: ProcessOf) -> None:
    one = process([DONE], window_tokens=100)
    for number in range(12):
        await one.say(f"{number} " + "word " * 40)
    *_, last = one.bench.model.asked
    assert 1 < len(last) <= 6
    assert last[-1].text.startswith("11 ")
    assert len(await one.transcript()) == 24


async def test_one_message_longer_than_the_window_reaches_the_model(process: ProcessOf) -> None:
    one = process([DONE], window_tokens=10)
    await one.say("word " * 500)
    assert len(one.bench.model.asked[0][-1].text) == 2500


async def test_runs_of_conversations_count_in_the_limit_of_runs(process: ProcessOf) -> None:
    slow = HangingService(weather="sunny")
    one = process([calls(("weather", {})), DONE], slow)
    for number in range(2):
        await one.conversations.start(ALICE, f"thread-{number}", [human("x")], streaming=True)
    with pytest.raises(LimitError) as refused:
        await one.say("one too many", thread="thread-3")
    assert refused.value.code is AgentCode.TOO_MANY_RUNS
    with pytest.raises(ThreadNotFoundError):
        await one.status(thread="thread-3")


async def test_run_begins_after_the_named_run_alone(process: ProcessOf) -> None:
    one = process([DONE])
    await one.say("first")
    first = (await one.threads.get(OwnedThread.of(ALICE, THREAD))).run_id
    await one.say("second")
    before = await one.transcript()
    with pytest.raises(ThreadBusyError):
        await one.conversations.start(ALICE, THREAD, [human("third")], streaming=True, after_run=first)
    with pytest.raises(ThreadNotFoundError):
        await one.conversations.start(ALICE, "absent", [human("x")], streaming=True, after_run=first)
    assert await one.transcript() == before


class ReadBeforeAnotherRun:
    """A store whose reader is late: another run begins and ends after each reading of a thread."""

    def __init__(self, threads: ThreadStore, another_run: Callable[[], Awaitable[object]]) -> None:
        self.threads, self.another_run = threads, another_run

    def __getattr__(self, name: str) -> Any:
        return getattr(self.threads, name)

    async def get(self, thread: OwnedThread) -> Thread:
        read = await self.threads.get(thread)
        await self.another_run()
        return read


async def test_run_after_a_named_run_is_judged_in_the_transaction_that_begins_it(process: ProcessOf) -> None:
    one, another = process([DONE]), process([DONE], name="process-2")
    await one.say("first")
    first = (await one.threads.get(OwnedThread.of(ALICE, THREAD))).run_id
    late: Any = ReadBeforeAnotherRun(one.threads, lambda: another.say("second"))
    one.conversations.threads = late
    with pytest.raises(ThreadBusyError):
        await one.conversations.start(ALICE, THREAD, [human("third")], streaming=True, after_run=first)
    assert [text for kind, text in in_brief(await another.transcript()) if kind == "human"] == [
        "first",
        "second",
    ]
