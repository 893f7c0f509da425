"""A run as a response of AG-UI's events."""

from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from typing import TypeAlias

from langchain_core.messages import AnyMessage

from agent.api.ag_ui.encoder import RunEncoder
from agent.api.ag_ui.wire import server_sent
from agent.runs.run import Finished, Paused, RunEvent, RunReader, is_step
from identity.errors import AgentError

Conversation: TypeAlias = Callable[[], Awaitable[Sequence[AnyMessage] | None]]
"""Reads the whole conversation of a run; `None` if it is too long to send."""


async def encoded(
    encoder: RunEncoder, run: RunReader, conversation: Conversation | None = None
) -> AsyncIterator[str]:
    """The run as server-sent events. The first text goes up to the first event that shows something.

    `conversation` is called when the run waits, for the messages to send.
    """
    texts, opened, ended = [server_sent(encoder.started())], False, False
    try:
        async for event in run:
            texts.append(await _encoded(encoder, event, conversation))
            ended = isinstance(event, Finished | Paused)
            if opened := opened or not is_step(event):
                if text := "".join(texts):
                    yield text
                texts.clear()
    except AgentError as error:
        yield "".join(texts) + server_sent(encoder.failed(error))
        return
    if not ended:
        yield "".join(texts) + server_sent(encoder.cancelled())


async def _encoded(encoder: RunEncoder, event: RunEvent, conversation: Conversation | None) -> str:
    if isinstance(event, Finished):
        return server_sent(encoder.finished(event))
    if isinstance(event, Paused):
        messages = None if conversation is None else await conversation()
        return server_sent(encoder.paused(event, messages))
    return server_sent(encoder.event(event))
