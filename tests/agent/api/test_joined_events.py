"""Events of a run that have arrived at once are sent at once."""

from typing import Any

from agent.api.openai.response import ChunkEncoder
from agent.runs.run import EVENTS_PER_TURN, Finished, ReplayBuffer, Run, RunReader
from graph.events import TextEvent


def content(text: str) -> TextEvent:
    return TextEvent(type="content", text=text)


def run_of(*texts: str) -> Run:
    """A run whose events have all arrived."""
    run = Run("part")
    for text in texts:
        run.replay.add(content(text))
    run.conclude(Finished("".join(texts)))
    return run


async def sent(reader: RunReader) -> list[str]:
    encoder = ChunkEncoder(model="qwen-plus", created=0, include_usage=False)
    return [text async for text in encoder.texts(reader)]


async def test_pieces_that_have_arrived_are_one_text() -> None:
    begin, pieces, end = await sent(run_of("a", "b", "c").events())

    assert begin.count("data: ") == 1
    assert [pieces.count(f'"content": "{letter}"') for letter in "abc"] == [1, 1, 1]
    assert pieces.index('"a"') < pieces.index('"b"') < pieces.index('"c"')
    assert end.endswith("data: [DONE]\n\n")


def test_ready_events_are_read_once_in_their_order_and_without_the_end() -> None:
    reader = run_of("a", "b").events()

    assert reader.ready() == [content("a"), content("b")]
    assert reader.ready() == []


async def test_reader_that_is_behind_still_learns_that_events_are_lost() -> None:
    run = Run("part", replay=ReplayBuffer(events=2))
    reader = run.events()
    for letter in "abcd":
        run.replay.add(content(letter))

    assert reader.ready() == []


async def test_many_events_leave_turns_to_other_tasks() -> None:
    reader: Any = run_of(*("a" for _ in range(2 * EVENTS_PER_TURN))).events()

    assert len(reader.ready()) == EVENTS_PER_TURN - 1
    assert await anext(reader) == content("a")
    assert len(reader.ready()) == EVENTS_PER_TURN - 1


async def test_reader_that_has_left_reads_nothing_more() -> None:
    reader = run_of("a").events()
    reader.leave()

    assert reader.ready() == []
