"""The run of a conversation as AG-UI's events, for a reader who did not start it.

An event with an `id` is the last of one step: a client that reconnects sends this id as `Last-Event-ID`, and
receives what follows, also from a replica where that id has not arrived yet. With the id of a source that is
not here, such as a process that has ended, it receives the run from its beginning. Messages and calls have
the ids under which they are stored: the beginning of one that a client has already replaces it.
"""

from collections.abc import AsyncIterator
from itertools import count
from typing import Final

from starlette.responses import Response

from agent.api.ag_ui.encoder import RunEncoder
from agent.api.ag_ui.messages import to_ag_ui
from agent.api.ag_ui.wire import Event, server_sent
from agent.api.event_stream import EventStream
from agent.runs.conversation_runs import Conversations
from agent.runs.run import Finished, Paused, Run, RunEvent, RunReader
from identity.access_token.verified_access_token import VerifiedAccessToken
from identity.errors import AgentError

_SNAPSHOT: Final = 50
"""Messages of a snapshot: the newest, fewer if they are large. The page keeps those before them; AG-UI's
clients do not."""


class RunEvents:
    """Follows runs of conversations."""

    def __init__(self, conversations: Conversations, *, model: str, snapshot: int = _SNAPSHOT) -> None:
        """`model` names the model in the usage. `snapshot` is how many messages a snapshot has at most."""
        self._conversations = conversations
        self._model = model
        self._most = snapshot

    async def response(
        self, caller: VerifiedAccessToken, thread_id: str, last_event_id: str | None
    ) -> Response | None:
        """The run that is going on, or has just ended; `None` if there is none, or nothing of it is left.

        Raises `ThreadNotFoundError`, and `LimitError` if the caller follows too many runs.
        """
        reader = await self._conversations.follow(caller, thread_id, last_event_id)
        if reader is None:
            return None
        position = reader.run.position_of(last_event_id)
        return EventStream(self._texts(reader, position), reader.leave)

    async def _texts(self, reader: RunReader, position: int) -> AsyncIterator[str]:
        """The events after `position`, which the client has."""
        run = reader.run
        encoder, ended = self._encoder(run.thread_id, run.id, run.announced), False
        if not position:
            yield server_sent(encoder.started())
        if position + 1 < run.replay.oldest:
            yield server_sent([await self._snapshot(run.owner, run.thread_id)])
        try:
            async for event in reader:
                events = _encoded(encoder, event)
                if reader.position > position:
                    ended = isinstance(event, Finished | Paused)
                    if events:
                        yield _identified(events, run, reader.position)
        except AgentError as error:
            yield _identified(encoder.failed(error), run, run.end_position if error is run.outcome else None)
            return
        if not ended and run.outcome is not None:
            yield _identified(encoder.cancelled(), run, run.end_position)

    def _encoder(self, thread_id: str, run_id: str, announced: frozenset[str]) -> RunEncoder:
        numbers = count(1)
        return RunEncoder(
            thread_id,
            run_id,
            model=self._model,
            announced=announced,
            new_id=lambda: f"{run_id}-{next(numbers)}",  # the same for every reader
        )

    async def _snapshot(self, owner: str, thread_id: str) -> Event:
        stored = await self._conversations.threads.messages(owner, thread_id, limit=self._most)
        return {"type": "MESSAGES_SNAPSHOT", "messages": to_ag_ui(each.message for each in stored)}


def _encoded(encoder: RunEncoder, event: RunEvent) -> list[Event]:
    if isinstance(event, Finished):
        return encoder.finished(event)
    if isinstance(event, Paused):
        return encoder.paused(event)
    return encoder.event(event)


def _identified(events: list[Event], run: Run, position: int | None) -> str:
    """The events of one step, the last with an id."""
    if position is None:
        return server_sent(events)
    return server_sent(events[:-1]) + f"id: {run.event_id(position)}\n" + server_sent(events[-1:])
