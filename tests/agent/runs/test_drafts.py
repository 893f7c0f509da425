"""What a run has shown outlasts its process, at the price of a write each second or two of a response."""

import asyncio
from collections.abc import Sequence

import pytest
from langchain_core.messages import AIMessage

from agent.conversations.database.database import Database, query
from agent.conversations.drafts import Draft
from agent.conversations.owned_thread import RunKey, stored_owner
from agent.conversations.run_transcript import MAY_HAVE_EFFECT, UNFINISHED
from agent.conversations.threads import ThreadStore
from agent.errors.error_codes import AgentCode
from agent.runs.drafts import SHOWN_SECONDS, Drafts
from agent.runs.heartbeat import SILENT_SECONDS
from agent.runs.live_run import LiveRun
from agent.runs.run import Finished, Paused, RunEvent
from graph.events import AgentEvent
from identity.errors import UnavailableError
from tests.agent.api.threads.served_threads import WaitingModel
from tests.agent.conversations.processes import (
    ALICE,
    THREAD,
    HangingService,
    Process,
    ProcessOf,
    human,
    in_brief,
)
from tests.agent.runs.test_ended_runs import TWO_CALLS, beats, begun_and_waiting
from tests.agent.runs.test_unstored_ends import DatabaseThatGoesAway
from tests.clock import Clock
from tests.graph.echo_service import EchoService
from tests.graph.scripted_model import DONE

TALE = AIMessage("Once upon a time")
RUN = RunKey(stored_owner("a" * 64).thread("t"), "r")


async def telling(process: ProcessOf, **options: object) -> tuple[Process, LiveRun]:
    """A process whose model has shown `Once`, and hangs."""
    model = WaitingModel(turns=[TALE], waits=True)
    one = process(model, **options)
    run = await one.conversations.start(ALICE, THREAD, [human("a tale")], streaming=True)
    await model.waiting.wait()
    return one, run


async def dies(one: Process, process: ProcessOf) -> Process:
    """Another process, which has noticed that `one` is gone."""
    await one.conversations.heartbeat.beat()
    await one.conversations.heartbeat.aclose()
    other = process([DONE], name="process-2")
    await beats(other, SILENT_SECONDS)
    assert await other.status() == "interrupted"
    return other


async def test_words_that_were_shown_before_the_process_died_are_kept_and_the_run_is_continued(process):
    dead, run = await telling(process)
    await dead.conversations.drafts.write(0)
    other = await dies(dead, process)
    [_, cut] = await other.transcript()
    assert (cut.text, cut.response_metadata["finish_reason"]) == ("Once", UNFINISHED)
    async for event in run.events():
        if event == {"type": "response_started", "message_id": cut.id}:
            break
    await (await other.conversations.continue_(ALICE, THREAD, streaming=True)).task
    assert in_brief(await other.transcript())[2:] == [("ai", "done")]
    assert in_brief(other.bench.model.asked[0][1:]) == [("human", "a tale")]


async def test_result_that_was_shown_before_the_process_died_is_kept(process: ProcessOf) -> None:
    slow, fast = HangingService(weather="sunny"), EchoService("fast", forecast="rain")
    dead = process([TWO_CALLS, DONE], slow, fast)
    run = await begun_and_waiting(dead, slow)
    async for event in run.events():
        if not isinstance(event, Finished | Paused) and event["type"] == "tool_finished":
            break
    await dead.conversations.drafts.write(0)
    other = await dies(dead, process)
    results = in_brief(await other.transcript())[2:]
    assert sorted(results) == [("tool", MAY_HAVE_EFFECT), ("tool", "rain")]


async def test_words_are_kept_when_another_process_ends_the_run(process: ProcessOf) -> None:
    one, run = await telling(process)
    await one.conversations.drafts.write(0)
    other = process([DONE], name="process-2")
    assert await other.conversations.cancel(ALICE, THREAD)
    await one.conversations.heartbeat.beat()
    await run.task
    assert in_brief(await other.transcript()) == [("human", "a tale"), ("ai", "Once")]


async def test_words_are_kept_when_the_end_of_the_run_could_not_be_stored(process, tmp_path):
    database = DatabaseThatGoesAway(tmp_path / "conversations.db")
    one, run = await telling(process, database=database)
    database.away = True
    run.end(UnavailableError(AgentCode.SHUTTING_DOWN, "test"))
    await run.task
    database.away = False
    await one.conversations.heartbeat.beat()
    assert await one.status() == "interrupted"
    assert in_brief(await one.transcript()) == [("human", "a tale"), ("ai", "Once")]


def text_of(event: RunEvent) -> str:
    if isinstance(event, Finished | Paused) or event["type"] != "content":
        return ""
    return event["text"]


class Recorded(ThreadStore):
    """Notes the texts that are written, and fails if the test wants it."""

    def __init__(self, database: Database) -> None:
        super().__init__(database)
        self.texts: list[str] = []
        self.fails = False

    async def write_drafts(self, written: Sequence[Draft]) -> None:
        self.texts += ["".join(text_of(event) for event in each.events) for each in written]
        await super().write_drafts(written)
        if self.fails:
            raise UnavailableError(AgentCode.CONVERSATIONS_UNAVAILABLE, "the connection was lost")


def content(text: str) -> AgentEvent:
    return {"type": "content", "text": text}


async def test_what_is_written_is_new_and_was_shown_for_a_second(database: Database) -> None:
    threads, clock = Recorded(database), Clock(0.0)
    await threads.begin_run(RUN, "p")
    hung = asyncio.Event()
    drafts = Drafts(threads, clock=clock, sleep=lambda _: hung.wait())
    draft = drafts.begin(RUN)
    draft.note({"type": "response_started", "message_id": "m"})
    draft.note(content("Once "))
    clock.advance(SHOWN_SECONDS / 2)
    await drafts.write()
    assert threads.texts == []
    draft.note(content("upon "))
    clock.advance(SHOWN_SECONDS / 2)
    threads.fails = True
    with pytest.raises(UnavailableError):
        await drafts.write()
    draft.note(content("a time"))
    clock.advance(SHOWN_SECONDS)
    threads.fails = False
    await drafts.write()
    await drafts.write()
    await drafts.write()
    await drafts.aclose()
    assert threads.texts == ["Once upon ", "Once upon ", "a time"]
    await threads.processes.interrupted_of("p", None)
    [kept] = await threads.messages(RUN.thread, limit=10)
    assert (kept.message.id, kept.message.text) == ("m", "Once upon a time")
    assert await drafts_in(database) == 0


async def drafts_in(database: Database) -> int:
    [[number]] = await database.read(lambda: query("SELECT count(*) FROM drafts"))
    return int(number)


async def test_response_that_is_stored_writes_no_draft_and_the_end_removes_those_before(database):
    threads = ThreadStore(database)
    await threads.begin_run(RUN, "p")
    await threads.write_drafts([Draft(RUN, 1, [content("Once")])])
    await threads.write_drafts([Draft(RunKey(RUN.thread, "another"), 1, [content("not its run")])])
    assert await drafts_in(database) == 1
    await threads.end_run(RUN, "idle", [AIMessage("Once upon a time", id="m")])
    await threads.write_drafts([Draft(RUN, 2, [content("too late")])])
    assert await drafts_in(database) == 0


async def test_draft_of_a_response_that_was_stored_adds_nothing(database: Database) -> None:
    threads = ThreadStore(database)
    shown: list[AgentEvent] = [{"type": "response_started", "message_id": "m"}, content("I look")]
    await threads.begin_run(RUN, "p")
    await threads.write_drafts([Draft(RUN, 1, shown)])
    call = {"id": "1", "name": "weather", "args": {}, "type": "tool_call"}
    await threads.append(RUN, [AIMessage("I look", id="m", tool_calls=[call])])
    await threads.processes.interrupted_of("p", None)
    stored = [each.message for each in await threads.messages(RUN.thread, limit=10)]
    assert in_brief(stored) == [("ai", "I look"), ("tool", MAY_HAVE_EFFECT)]
