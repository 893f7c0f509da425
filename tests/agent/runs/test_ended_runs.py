"""However a run of a conversation ends, its transcript is complete, and the conversation goes on."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from langchain_core.messages import AIMessage, ToolMessage
from langchain_core.outputs import ChatGenerationChunk
from pydantic import PrivateAttr

from agent.conversations.database.database import query
from agent.conversations.database.sqlite_database import SqliteDatabase
from agent.conversations.owned_thread import ThreadOwner
from agent.conversations.run_transcript import MAY_HAVE_EFFECT, NOT_RUN
from agent.errors.error_codes import AgentCode
from agent.runs.heartbeat import BEAT_SECONDS, SILENT_SECONDS, Heartbeat
from agent.runs.live_run import LiveRun
from agent.runs.run import Cancelled, Finished, Paused, RunEvent
from graph.error_codes import GraphCode
from identity.credentials.requirement import ApiKeyRequirement
from identity.errors import ServiceError, ThreadBusyError, UnavailableError
from tests.agent.conversations.processes import (
    ALICE,
    THREAD,
    HangingService,
    Process,
    ProcessOf,
    human,
    in_brief,
)
from tests.graph.echo_service import EchoService
from tests.graph.scripted_model import DONE, ScriptedModel, calls


async def begun_and_waiting(one: Process, slow: HangingService) -> Any:
    run = await one.conversations.start(ALICE, THREAD, [human("go")], streaming=True)
    await slow.called.wait()
    return run


async def hanging(process: ProcessOf) -> tuple[Process, HangingService, Any]:
    """A process whose run calls a service that does not respond."""
    slow = HangingService(weather="sunny")
    one = process([calls(("weather", {})), DONE], slow)
    return one, slow, await begun_and_waiting(one, slow)


async def until(run: LiveRun, step: str, visits: int) -> AsyncIterator[tuple[int, RunEvent]]:
    """The events up to the beginning of the visit of a node."""
    reader = run.events()
    async for event in reader:
        yield reader.position, event
        visits -= event == {"type": "step_started", "step": step}
        if not visits:
            return


async def read(run: LiveRun) -> list[RunEvent]:
    return [event async for event in run.events()]


TWO_CALLS = calls(("weather", {"city": "Hangzhou"}), ("forecast", {}))


async def test_cancelled_run_leaves_a_result_for_each_call_and_the_thread_goes_on(process: ProcessOf) -> None:
    slow = HangingService(weather="sunny")
    fast = EchoService("fast", forecast="rain")
    one = process([TWO_CALLS, DONE], slow, fast)
    run = await begun_and_waiting(one, slow)
    async for event in run.events():
        if not isinstance(event, Finished | Paused) and event["type"] == "tool_finished":
            break
    reading = asyncio.create_task(read(run))
    assert await one.conversations.cancel(ALICE, THREAD)
    assert not any(isinstance(event, Finished) for event in await reading)
    question, response, *results = in_brief(await one.transcript())
    assert (question, response) == (("human", "go"), ("ai", ""))
    assert sorted(results) == [("tool", MAY_HAVE_EFFECT), ("tool", "rain")]
    assert await one.status() == "idle"
    assert not await one.conversations.cancel(ALICE, THREAD)
    await one.say("and now?")
    asked = in_brief(one.bench.model.asked[-1])
    assert asked[-1] == ("human", "and now?")
    assert ("tool", "rain") in asked


async def test_interrupted_call_has_no_result_of_an_earlier_one_with_its_identifier(
    process: ProcessOf,
) -> None:
    slow = HangingService(weather="sunny")
    one = process(
        [calls(("forecast", {})), calls(("weather", {})), DONE], slow, EchoService("f", forecast="rain")
    )
    await begun_and_waiting(one, slow)
    assert await one.conversations.cancel(ALICE, THREAD)
    messages = await one.transcript()
    results = [message for message in messages if isinstance(message, ToolMessage)]
    assert [message.text for message in results] == ["rain", MAY_HAVE_EFFECT]
    assert len({message.tool_call_id for message in results}) == 2


async def test_another_run_than_the_named_one_is_not_cancelled(process: ProcessOf) -> None:
    one, _, run = await hanging(process)
    for each in (one, process([DONE], name="process-2")):
        assert not await each.conversations.cancel(ALICE, THREAD, "0" * 32)
        assert await one.status() == "running"
    assert await one.conversations.cancel(ALICE, THREAD, run.id)
    assert await one.status() == "idle"


async def test_call_that_had_not_begun_is_reported_as_not_run(process: ProcessOf) -> None:
    one = process(
        [calls(("weather", {})), DONE], EchoService("amap", ApiKeyRequirement("slow_key"), weather="sunny")
    )
    one.bench.vault.hang.add("slow_key")
    run = await one.conversations.start(ALICE, THREAD, [human("go")], streaming=True)
    steps = [event async for _, event in until(run, "credentials", 2)]
    assert {"type": "step_finished", "step": "model"} in steps
    await one.conversations.cancel(ALICE, THREAD)
    assert in_brief(await one.transcript())[-1] == ("tool", NOT_RUN)


async def test_part_of_a_response_that_was_shown_is_kept(process: ProcessOf) -> None:
    one = process([AIMessage("Once upon a time")])
    run = await one.conversations.start(ALICE, THREAD, [human("a tale")], streaming=True)
    async for event in run.events():
        if event == {"type": "content", "text": "Once "}:
            run.cancel()
    await run.task
    [_, cut] = await one.transcript()
    assert cut.text.startswith("Once")
    assert cut.response_metadata["finish_reason"] == "unfinished"


class SlowDatabase(SqliteDatabase):
    """Its runs begin when the test lets them."""

    def __init__(self, path: Path) -> None:
        super().__init__(path)
        self.asked, self.go_on = asyncio.Event(), asyncio.Event()

    async def batches(self, work: Any) -> Any:
        self.asked.set()
        await self.go_on.wait()
        return await super().batches(work)


async def test_run_that_two_processes_continue_at_once_is_continued_once(process, tmp_path):
    one = process([ServiceError(GraphCode.MODEL_CALL_FAILED, "test"), DONE])
    with pytest.raises(ServiceError):
        await one.say("hello")
    slow = SlowDatabase(tmp_path / "conversations.db")
    other = process([DONE], name="process-2", database=slow)
    late = asyncio.create_task(other.conversations.continue_(ALICE, THREAD, streaming=True))
    await slow.asked.wait()
    await (await one.conversations.continue_(ALICE, THREAD, streaming=True)).task
    slow.go_on.set()
    with pytest.raises(ThreadBusyError):
        await late
    assert in_brief(await one.transcript()) == [("human", "hello"), ("ai", "done")]


async def test_shutdown_ends_the_run_with_its_error_and_it_can_be_continued_elsewhere(process):
    one, _, run = await hanging(process)
    one.runs.end(lambda: UnavailableError(AgentCode.SHUTTING_DOWN, "test"))
    with pytest.raises(UnavailableError) as ended:
        await read(run)
    assert ended.value.code is AgentCode.SHUTTING_DOWN
    assert await one.status() == "interrupted"
    other = process([DONE], name="process-2")
    await (await other.conversations.continue_(ALICE, THREAD, streaming=True)).task
    assert in_brief(await other.transcript())[-2:] == [("tool", MAY_HAVE_EFFECT), ("ai", "done")]
    assert await other.end(run.id) == ("failed", "shutting_down")


async def test_run_of_a_stopped_process_is_completed_by_another_and_can_be_continued(process):
    dead, slow, run = await hanging(process)
    await dead.conversations.heartbeat.beat()
    await dead.conversations.heartbeat.aclose()
    other = process([DONE], name="process-2")
    await beats(other, SILENT_SECONDS - 1)
    assert await other.status() == "running"
    await beats(other, BEAT_SECONDS)
    assert await other.status() == "interrupted"
    assert in_brief(await other.transcript())[-1] == ("tool", MAY_HAVE_EFFECT)
    await (await other.conversations.continue_(ALICE, THREAD, streaming=True)).task
    assert in_brief(await other.transcript())[-1] == ("ai", "done")
    slow.release.set()  # the process was not dead, only slow: it writes nothing more
    with pytest.raises(UnavailableError) as caught:
        await read(run)
    assert caught.value.code is AgentCode.RUN_INTERRUPTED
    assert in_brief(await other.transcript())[-1] == ("ai", "done")
    assert await other.status() == "idle"
    assert await other.end(run.id) == ("failed", "run_interrupted")


async def test_process_that_wakes_reports_to_its_readers_that_the_run_was_interrupted(process):
    asleep, _, run = await hanging(process)
    await asleep.conversations.heartbeat.beat()
    other = process([DONE], name="process-2")
    await beats(other, SILENT_SECONDS + BEAT_SECONDS)
    await (await other.conversations.continue_(ALICE, THREAD, streaming=True)).task
    await asleep.conversations.heartbeat.beat()
    with pytest.raises(UnavailableError) as caught:
        await read(run)
    assert caught.value.code is AgentCode.RUN_INTERRUPTED
    assert await other.end(run.id) == ("failed", "run_interrupted")


async def beats(process: Process, seconds: float) -> None:
    """The heartbeats of `seconds`."""
    until = process.now[0] + seconds
    while True:
        await process.conversations.heartbeat.beat()
        if process.now[0] >= until:
            return
        process.now[0] = min(until, process.now[0] + BEAT_SECONDS)


async def test_clock_of_another_process_does_not_make_it_silent(process: ProcessOf) -> None:
    one, _, _ = await hanging(process)
    other = process([DONE], name="process-2")
    for _ in range(5):
        one.now[0] -= 40  # what this clock shows; the other one is ahead
        await one.conversations.heartbeat.beat()
        one.now[0] += 40
        await beats(other, BEAT_SECONDS)
    assert await other.status() == "running"


async def test_time_without_the_database_interrupts_no_run(process: ProcessOf) -> None:
    one, _, _ = await hanging(process)
    await one.conversations.heartbeat.beat()
    other = process([DONE], name="process-2")
    await beats(other, BEAT_SECONDS)
    one.now[0] += 600  # no process can write meanwhile
    await beats(other, BEAT_SECONDS)
    await one.conversations.heartbeat.beat()
    await beats(other, SILENT_SECONDS - 1)
    assert await other.status() == "running"


async def test_run_of_another_process_can_be_cancelled(process: ProcessOf) -> None:
    one, _, run = await hanging(process)
    other = process([DONE], name="process-2")
    assert await other.conversations.cancel(ALICE, THREAD)
    assert await other.status() == "idle"
    await one.conversations.heartbeat.beat()
    await run.task
    assert in_brief(await other.transcript())[-1] == ("tool", MAY_HAVE_EFFECT)
    assert await one.end(run.id) == ("canceled", "run_cancelled")


async def test_deleting_all_threads_ends_their_runs_in_every_process(process: ProcessOf) -> None:
    one, _, run = await hanging(process)
    here = process([calls(("weather", {})), DONE], HangingService(weather="rain"), name="process-2")
    own = await here.conversations.start(ALICE, "thread-2", [human("go")], streaming=True)
    assert await here.conversations.delete_all(ALICE) == 2
    assert own.task.done()
    await one.conversations.heartbeat.beat()
    await run.task
    assert not one.runs.limit.counted


class SlowToEnd(HangingService):
    """A call that is cancelled ends when the test says so."""

    def __init__(self, **answers: Any) -> None:
        super().__init__(**answers)
        self.ending, self.may_end = asyncio.Event(), asyncio.Event()

    async def call(self, *args: Any, **options: Any) -> Any:
        try:
            return await super().call(*args, **options)
        except asyncio.CancelledError:
            self.ending.set()
            await self.may_end.wait()
            raise


async def test_run_that_begins_while_all_threads_are_deleted_ends_too(process: ProcessOf) -> None:
    slow = SlowToEnd(weather="rain")
    one = process([calls(("weather", {})), calls(("weather", {})), DONE], slow)
    await begun_and_waiting(one, slow)
    deleting = asyncio.create_task(one.conversations.delete_all(ALICE))
    await slow.ending.wait()
    later = await one.conversations.start(ALICE, "thread-2", [human("go")], streaming=True)
    slow.may_end.set()
    assert await deleting == 2
    assert later.task.done()
    assert isinstance(later.outcome, Cancelled)


async def test_client_that_leaves_while_the_run_begins_leaves_no_running_thread(process: ProcessOf) -> None:
    one = process([DONE])
    starting = asyncio.create_task(one.conversations.start(ALICE, THREAD, [human("hello")], streaming=True))
    await asyncio.sleep(0)
    starting.cancel()
    await asyncio.wait([starting])
    while one.runs.limit.counted:
        await asyncio.wait([run.task for run in one.runs.limit.counted])
    assert await one.status() == "idle"


async def test_run_without_a_pause_leaves_no_checkpoint(process: ProcessOf) -> None:
    one = process([calls(("weather", {})), DONE], EchoService("amap", weather="sunny"))
    await one.say("hello")
    assert await one.checkpoints() == 0


async def test_heartbeat_waits_for_a_database_and_creates_none(process: ProcessOf, tmp_path: Path) -> None:
    one = process([DONE])
    rounds: asyncio.Queue[None] = asyncio.Queue()
    go_on = asyncio.Semaphore(0)

    async def sleep(_: float) -> None:
        rounds.put_nowait(None)
        await go_on.acquire()

    conversations = one.conversations
    heartbeat = Heartbeat(
        conversations.parts, conversations.live, conversations.drafts, conversations.ends, sleep=sleep
    )
    heartbeat.start()
    await rounds.get()
    assert not (tmp_path / "conversations.db").exists()
    await one.threads.open(ThreadOwner.of(ALICE), THREAD)
    go_on.release()
    await rounds.get()
    assert await one.database.read(lambda: query("SELECT id FROM processes")) == [("process-1",)]
    await heartbeat.aclose()


class SlowModel(ScriptedModel):
    """Responds when the test lets it."""

    _asked_now: asyncio.Event = PrivateAttr(default_factory=asyncio.Event)
    _go_on: asyncio.Event = PrivateAttr(default_factory=asyncio.Event)

    async def _astream(self, *args: Any, **options: Any) -> AsyncIterator[ChatGenerationChunk]:
        self._asked_now.set()
        await self._go_on.wait()
        async for chunk in super()._astream(*args, **options):
            yield chunk


async def test_answer_of_a_process_taken_for_dead_is_not_shown_as_complete(process: ProcessOf) -> None:
    model = SlowModel(turns=[DONE])
    asleep = process(model)
    run = await asleep.conversations.start(ALICE, THREAD, [human("go")], streaming=True)
    await model._asked_now.wait()
    await asleep.conversations.heartbeat.beat()
    await asleep.conversations.heartbeat.aclose()
    other = process([DONE], name="process-2")
    await beats(other, SILENT_SECONDS + BEAT_SECONDS)
    assert await other.status() == "interrupted"
    model._go_on.set()  # it wakes, and has the answer before it learns that its run has ended
    with pytest.raises(UnavailableError) as caught:
        await read(run)
    assert caught.value.code is AgentCode.RUN_INTERRUPTED
    await (await other.conversations.continue_(ALICE, THREAD, streaming=True)).task
    assert in_brief(await other.transcript()) == [("human", "go"), ("ai", "done")]
