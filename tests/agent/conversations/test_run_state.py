"""The state of runs, over all processes that share the database."""

import pytest
from langchain_core.messages import AIMessage, HumanMessage

from agent.conversations.database.database import Database, query
from agent.conversations.owned_thread import RunKey, stored_owner
from agent.conversations.run_transcript import MAY_HAVE_EFFECT, partial_output
from agent.conversations.threads import ThreadStore
from graph.events import AgentEvent
from identity.errors import ThreadBusyError

OWNER = stored_owner("a" * 64)


async def test_process_learns_which_of_its_runs_were_ended_or_deleted_by_another(database: Database) -> None:
    threads = ThreadStore(database)
    for thread, process in (("t", "p"), ("u", "p"), ("v", "other")):
        await threads.begin_run(RunKey(OWNER.thread(thread), f"run-{thread}"), process)
    assert await threads.processes.runs_of("p") == {"run-t", "run-u"}
    await threads.end_run(RunKey(OWNER.thread("t"), "run-t"), "idle")
    assert await threads.processes.runs_of("p") == {"run-u"}
    await threads.delete(OWNER.thread("u"))
    assert await threads.processes.runs_of("p") == set()


async def test_runs_of_a_process_are_interrupted_unless_it_was_seen_meanwhile(database: Database) -> None:
    threads = ThreadStore(database)
    for thread, process in (("t", "seen"), ("u", "never-seen"), ("v", "own")):
        await threads.begin_run(RunKey(OWNER.thread(thread), f"run-{thread}"), process)
    await threads.processes.heartbeat("seen", ["run-t"])
    executing = await threads.processes.executing("own")
    assert executing.keys() == {"seen", "never-seen"}
    assert executing["never-seen"] is None
    await threads.processes.heartbeat("seen", ["run-t"])
    await threads.processes.interrupted_of("seen", executing["seen"])
    await threads.processes.interrupted_of("never-seen", None)
    statuses = {each: (await threads.get(OWNER.thread(each))).status for each in "tuv"}
    assert statuses == {"t": "running", "u": "interrupted", "v": "running"}
    latest = (await threads.processes.executing("own"))["seen"]
    await threads.processes.interrupted_of("seen", latest)
    assert await threads.processes.executing("own") == {}


async def test_process_whose_clock_was_set_back_is_seen(database: Database) -> None:
    """Clocks may differ: another time than the one that was observed is a later one."""
    now = [1_000.0]
    threads = ThreadStore(database, clock=lambda: now[0])
    await threads.begin_run(RunKey(OWNER.thread("t"), "r"), "p")
    await threads.processes.heartbeat("p", ["r"])
    observed = (await threads.processes.executing("other"))["p"]
    now[0] -= 60
    await threads.processes.heartbeat("p", ["r"])
    await threads.processes.interrupted_of("p", observed)
    assert (await threads.get(OWNER.thread("t"))).status == "running"


QUESTION = HumanMessage("go", id="question")
CALL = AIMessage("", id="call", tool_calls=[{"name": "weather", "args": {}, "id": "1"}])


@pytest.mark.parametrize(
    "interrupt",
    [
        lambda threads: threads.processes.interrupt("p", ["r", "unknown"]),
        lambda threads: threads.processes.interrupted_of("p", None),
    ],
    ids=["of its own process", "of another process"],
)
async def test_next_run_finds_the_completed_messages_of_an_interrupted_one(database, interrupt):
    threads = ThreadStore(database, clock=lambda: 1_000.0)
    await threads.begin_run(RunKey(OWNER.thread("t"), "r"), "p", messages=[QUESTION, CALL])
    await interrupt(threads)
    again = HumanMessage("again", id="again")
    window = (
        await threads.begin_run(RunKey(OWNER.thread("t"), "next"), "p", messages=[again], tokens=1_000)
    ).window
    assert [message.text for message in window] == ["go", "", MAY_HAVE_EFFECT]
    stored = await threads.messages(OWNER.thread("t"), limit=10)
    assert [(each.run_id, each.message.text) for each in stored] == [
        ("r", "go"),
        ("r", ""),
        ("r", MAY_HAVE_EFFECT),
        ("next", "again"),
    ]


async def test_run_with_a_damaged_message_is_interrupted_with_the_others(database: Database) -> None:
    threads = ThreadStore(database)
    for thread in ("damaged", "whole"):
        await threads.begin_run(RunKey(OWNER.thread(thread), f"run-{thread}"), "p", messages=[QUESTION, CALL])
    damage = "UPDATE messages SET body = ? WHERE run_id = ?"
    await database.write(lambda: query(damage, b"no JSON", "run-damaged"))
    await threads.processes.interrupted_of("p", None)
    assert (await threads.get(OWNER.thread("damaged"))).status == "interrupted"
    assert (await threads.messages(OWNER.thread("whole"), limit=1))[0].message.text == MAY_HAVE_EFFECT


async def test_change_after_one_that_is_not_the_latest_is_refused(database: Database) -> None:
    threads, run = ThreadStore(database), RunKey(OWNER.thread("t"), "r")
    await threads.begin_run(run, "p", messages=[QUESTION])
    lost = await threads.append(run, [CALL])
    latest = await threads.append(run, [AIMessage("else", id="else")], after=lost)
    assert await threads.append(run, [], after=latest) == latest
    with pytest.raises(ThreadBusyError):
        await threads.append(run, [AIMessage("refused", id="refused")], after=lost)
    assert not await threads.end_run(run, "idle", [AIMessage("refused", id="refused")], after=lost)
    assert (await threads.get(OWNER.thread("t"))).status == "running"
    assert await threads.end_run(run, "idle", [AIMessage("done", id="done")], after=latest)
    stored = await threads.messages(OWNER.thread("t"), limit=9)
    assert [each.message.id for each in stored] == ["question", "call", "else", "done"]


async def test_file_that_is_kept_beside_a_message_is_no_reason_to_refuse_the_next_one(
    database: Database,
) -> None:
    """As by two services that one response calls: each keeps its files while the other's result is stored."""
    threads, run = ThreadStore(database), RunKey(OWNER.thread("t"), "r")
    await threads.begin_run(run, "p", messages=[QUESTION])
    latest = await threads.append(run, [CALL])
    assert await threads.files.keep(run, b"a chart") is not None
    latest = await threads.append(run, [AIMessage("drawn", id="drawn")], after=latest)
    assert await threads.files.keep(run, b"another") is not None
    assert await threads.end_run(run, "idle", after=latest)
    assert await threads.files.keep(run, b"too late") is None
    assert len(await threads.files.ids(OWNER.thread("t"))) == 2


def test_response_that_was_shown_follows_a_result_for_each_call() -> None:
    """Of calls whose results a database that was replaced has lost."""
    shown: list[AgentEvent] = [
        {"type": "response_started", "message_id": "answer"},
        {"type": "content", "text": "It is"},
    ]
    result, answer = partial_output([QUESTION, CALL], shown)
    assert (result.type, result.text) == ("tool", MAY_HAVE_EFFECT)
    assert (answer.type, answer.text, answer.id) == ("ai", "It is", "answer")
