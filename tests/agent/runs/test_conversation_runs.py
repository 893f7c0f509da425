"""Runs of conversations: what they add to the transcript, however they end, and for whom."""

import pytest
from langchain_core.messages import SystemMessage

from agent.errors.error_codes import AgentCode
from agent.runs.run import Finished
from identity.errors import LimitError, ThreadBusyError, ThreadNotFoundError
from tests.agent.conversations.processes import ALICE, BOB, THREAD, HangingService, ProcessOf, human, in_brief
from tests.graph.echo_service import EchoService
from tests.graph.scripted_model import DONE, calls


async def test_transcript_has_the_question_the_calls_and_the_answer(process: ProcessOf) -> None:
    one = process([calls(("weather", {"city": "Hangzhou"})), DONE], EchoService("amap", weather="sunny"))
    events = await one.say("What is the weather?")
    assert isinstance(events[-1], Finished)
    assert in_brief(await one.transcript()) == [
        ("human", "What is the weather?"),
        ("ai", ""),
        ("tool", "sunny"),
        ("ai", "done"),
    ]
    assert await one.status() == "idle"


async def test_next_run_receives_what_was_said_before(process: ProcessOf) -> None:
    one = process([DONE])
    await one.say("first")
    other_process = process([DONE], name="process-2")
    await other_process.say("second")
    asked = in_brief(other_process.bench.model.asked[0][1:])
    assert asked == [("human", "first"), ("ai", "done"), ("human", "second")]


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


async def test_instructions_apply_to_one_run_and_are_not_stored(process: ProcessOf) -> None:
    one = process([DONE])
    instructions = [SystemMessage("Answer in verse.")]
    run = await one.conversations.start(
        ALICE, THREAD, [human("hello")], streaming=True, instructions=instructions
    )
    await run.task
    assert "verse" in one.bench.model.asked[0][0].text
    assert in_brief(await one.transcript()) == [("human", "hello"), ("ai", "done")]
    await one.say("again")
    assert "verse" not in one.bench.model.asked[1][0].text


async def test_thread_runs_once_at_a_time_over_all_processes(process: ProcessOf) -> None:
    slow = HangingService(weather="sunny")
    one = process([calls(("weather", {})), DONE], slow)
    run = await one.conversations.start(ALICE, THREAD, [human("first")], streaming=True)
    await slow.called.wait()
    for other in (one, process([DONE], name="process-2")):
        with pytest.raises(ThreadBusyError) as busy:
            await other.say("second")
        assert busy.value.code is AgentCode.THREAD_BUSY
    await one.say("elsewhere", thread="thread-2")
    slow.release.set()
    await run.task
    assert in_brief(await one.transcript())[-1] == ("ai", "done")


async def test_same_id_under_two_owners_is_two_threads(process: ProcessOf) -> None:
    one = process([DONE])
    await one.say("hello of alice")
    await one.say("hello of bob", BOB)
    assert in_brief(await one.transcript(BOB)) == [("human", "hello of bob"), ("ai", "done")]
    assert len(await one.transcript(ALICE)) == 2


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
