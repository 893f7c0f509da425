"""Runs of conversations: what they add to the transcript, however they end, and for whom."""

import pytest

from agent.errors.error_codes import AgentCode
from identity.errors import LimitError, ThreadNotFoundError
from tests.agent.conversations.processes import ALICE, HangingService, ProcessOf, human
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
