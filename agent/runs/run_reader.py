"""The events of a run, and how surfaces read them."""

from collections.abc import AsyncIterator
from typing import Protocol, TypeAlias

from agent.runs.run_end import Finished, Paused
from graph.events import AgentEvent, ConsentRequired

RunEvent: TypeAlias = AgentEvent | Finished | Paused
"""The graph's own events, and the end of the run."""


class RunReader(Protocol):
    """A reader of one run, as the surfaces use it. Iterate it for the events.

    `Finished` or `Paused` is the last; an error is raised in place of the next event. A run that was
    cancelled has neither.
    """

    async def first(self) -> None:
        """Waits for the first event that shows something; it and those before it can still be read. Raises
        an error that comes before it.
        """
        ...

    def cancel(self) -> None:
        """The reader leaves. Does not wait; further calls do nothing."""
        ...

    def __aiter__(self) -> AsyncIterator[RunEvent]: ...


def is_step(event: RunEvent) -> bool:
    """A step alone shows nothing: a failure after it still has a status of its own."""
    return not isinstance(event, Finished | Paused) and event["type"] in ("step_started", "step_finished")


async def opening(events: AsyncIterator[RunEvent]) -> list[RunEvent]:
    """The events up to the first one that shows something, or to the end. Raises an error before it."""
    read: list[RunEvent] = []
    async for event in events:
        read.append(event)
        if not is_step(event):
            break
    return read


async def end_of(run: RunReader) -> tuple[Finished | Paused, ConsentRequired | None]:
    """Reads all events of a run, and returns the end: an empty one, if the run was cancelled. And a consent
    that was required, for which a run that is not kept does not wait.
    """
    end: Finished | Paused = Finished()
    consent: ConsentRequired | None = None
    async for event in run:
        if isinstance(event, Finished | Paused):
            end = event
        elif event["type"] == "consent_required":
            consent = event
    return end, consent
