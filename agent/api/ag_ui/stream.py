"""A run as a response of AG-UI's events."""

from collections.abc import AsyncIterator, Sequence
from typing import Final

from agent.api.ag_ui.encoder import RunEncoder
from agent.api.ag_ui.wire import server_sent
from agent.run import RunEvent, RunReader
from agent.run_end import Finished, Paused
from identity.errors import AgentError

_STEPS: Final = ("step_started", "step_finished")


async def opening(run: RunReader) -> list[RunEvent]:
    """The events up to the first one that shows something. Raises an error that comes before it.

    Steps alone show nothing yet: a failure after them still has a status of its own.
    """
    events: list[RunEvent] = []
    async for event in run:
        events.append(event)
        if isinstance(event, Finished | Paused) or event["type"] not in _STEPS:
            break
    return events


async def encoded(encoder: RunEncoder, before: Sequence[RunEvent], run: RunReader) -> AsyncIterator[str]:
    """The run as server-sent events: `before`, which were read from it, and those that follow."""
    ended = False
    texts = [server_sent(encoder.started())]
    for event in before:
        texts.append(_encoded(encoder, event))
        ended = isinstance(event, Finished | Paused)
    yield "".join(texts)
    try:
        async for event in run:
            if text := _encoded(encoder, event):
                yield text
            ended = isinstance(event, Finished | Paused)
    except AgentError as error:
        yield server_sent(encoder.failed(error))
        return
    if not ended:
        yield server_sent(encoder.cancelled())


def _encoded(encoder: RunEncoder, event: RunEvent) -> str:
    if isinstance(event, Finished):
        return server_sent(encoder.finished(event))
    if isinstance(event, Paused):
        return server_sent(encoder.paused(event))
    return server_sent(encoder.event(event))
