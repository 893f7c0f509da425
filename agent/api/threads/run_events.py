"""The run of a conversation as AG-UI's events, for a reader who did not start it.

An event with an `id` is the last of one step: a client that reconnects sends this id as `Last-Event-ID`, and
receives what follows, also from a replica where that id has not arrived yet. An empty `id` begins a stream
that cannot be continued: a client that reconnects receives the run from its beginning. Messages and calls
have the ids under which they are stored: the beginning of one that a client has already replaces it.
"""

import math
from collections.abc import AsyncIterator
from itertools import count
from typing import Final

from starlette.responses import Response

from agent.api.ag_ui.encoder import RunEncoder
from agent.api.ag_ui.messages import to_ag_ui
from agent.api.ag_ui.wire import Event, server_sent
from agent.api.event_stream import EventStream
from agent.conversations.conversation_runs import Conversations
from agent.conversations.live.live_reader import LiveReader
from agent.conversations.live.live_run import LiveRun
from agent.conversations.live.remote_run import RemoteReader
from agent.conversations.relay.relayed_run import RelayedRun
from agent.conversations.store.thread import Thread, owner_of
from agent.errors.error_codes import AgentCode
from agent.runs.run_end import Finished, ModelMessages, Paused
from agent.runs.run_reader import RunEvent
from identity.access_token.verified_access_token import VerifiedAccessToken
from identity.errors import AgentError, LimitError, UnavailableError

_NOT_CONTINUED: Final = "id:\n"
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
        owner = owner_of(caller.principal)
        thread, run = await self._latest(owner, thread_id)
        if run is not None:
            position = _position(run, last_event_id)
            if position and position == run.end_position:
                return None
            reader = run.events(run.replay.oldest - 1)
            return self._stream(reader, caller, self._live(run, reader, position, caller))
        if thread.status == "running":
            remote = RemoteReader(self._conversations.threads, owner, thread_id)
            return self._stream(remote, caller, self._remote(remote, caller, thread))
        return None

    async def _latest(self, owner: str, thread_id: str) -> tuple[Thread, LiveRun | RelayedRun | None]:
        """The thread, and its latest run as far as its events are known."""
        live = self._conversations.live
        before = live.latest(owner, thread_id)
        had_ended = before is not None and before.outcome is not None
        thread = await self._conversations.threads.get(owner, thread_id)
        run = live.latest(owner, thread_id)
        if run is not None and (run is not before or _is_latest(run, thread, had_ended=had_ended)):
            return thread, run
        relayed = await self._conversations.relayed(owner, thread)
        if relayed is not None:
            self._conversations.follow(relayed)
        return thread, relayed

    def _stream(
        self, reader: LiveReader | RemoteReader, caller: VerifiedAccessToken, texts: AsyncIterator[str]
    ) -> Response:
        return EventStream(texts, self._conversations.readers.add(reader, caller))

    async def _live(
        self, run: LiveRun | RelayedRun, reader: LiveReader, position: int, caller: VerifiedAccessToken
    ) -> AsyncIterator[str]:
        encoder, ended = self._encoder(run.thread_id, run.id, run.announced), False
        if not position:
            yield server_sent(encoder.started())
        if position + 1 < run.replay.oldest:
            yield server_sent([await self._snapshot(run.owner, run.thread_id)])
        try:
            async for number, event in reader:
                if number <= position:  # the client has it
                    _encoded(encoder, event)
                    continue
                ended = isinstance(event, Finished | Paused)
                if isinstance(event, Paused) and not event.pending:
                    event = await self._waiting(caller, run.thread_id, event)
                if events := _encoded(encoder, event):
                    yield _identified(events, run, number)
        except AgentError as error:
            yield _identified(encoder.failed(error), run, run.end_position if error is run.outcome else None)
            return
        if not ended and run.outcome is not None:
            yield _identified(encoder.cancelled(), run, run.end_position)

    async def _waiting(self, caller: VerifiedAccessToken, thread_id: str, end: Paused) -> Paused:
        """The end of a run of another process, which does not share what the run waits for. Raises
        `LimitError` if it waits no more.
        """
        whole = await self._conversations.paused(caller, thread_id, end.usage)
        if whole is None:
            raise LimitError(AgentCode.EVENTS_LOST, "the run waits no more")
        return whole

    async def _remote(
        self, reader: RemoteReader, caller: VerifiedAccessToken, thread: Thread
    ) -> AsyncIterator[str]:
        """Snapshots of the messages, each time there are new ones, and the end."""
        encoder = self._encoder(thread.id, thread.run_id or "", ())
        yield _NOT_CONTINUED + server_sent(encoder.started())
        try:
            async for thread in reader:
                yield server_sent([await self._snapshot(owner_of(caller.principal), thread.id)])
            if thread.status == "paused":
                pending = await self._conversations.pending(caller, thread.id)
                yield server_sent(encoder.paused_before(Paused(tuple(pending)), None))
            elif thread.status == "idle":
                yield server_sent(encoder.finished(await self._finished(caller, thread.id)))
            elif thread.status != "running":
                raise UnavailableError(AgentCode.RUN_INTERRUPTED, f"the thread is {thread.status}")
        except AgentError as error:
            yield server_sent(encoder.failed(error))

    async def _finished(self, caller: VerifiedAccessToken, thread_id: str) -> Finished:
        """The end of a run of another process, by its last message. Its tokens are not known."""
        stored = await self._conversations.threads.messages(owner_of(caller.principal), thread_id, limit=1)
        of_model = ModelMessages()
        of_model.add(each.message for each in stored)
        return Finished(finish_reason=of_model.finished().finish_reason)

    def _encoder(self, thread_id: str, run_id: str, announced: frozenset[str] | tuple[()]) -> RunEncoder:
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


def _identified(events: list[Event], run: LiveRun | RelayedRun, position: int | None) -> str:
    """The events of one step, the last with an id."""
    if position is None:
        return server_sent(events)
    return server_sent(events[:-1]) + f"id: {run.key}-{position}\n" + server_sent(events[-1:])


def _position(run: LiveRun | RelayedRun, last_event_id: str | None) -> int:
    """The position after which a client that has received `last_event_id` continues; 0 for another run's.

    A run of another process may not have come so far here.
    """
    key, _, number = (last_event_id or "").rpartition("-")
    if key != run.key or not (number.isascii() and number.isdigit()) or len(number) > 9:
        return 0
    newest = run.replay.newest if isinstance(run, LiveRun) else math.inf
    known = newest if run.end_position is None else run.end_position
    return int(number) if int(number) <= known else 0


def _is_latest(run: LiveRun, thread: Thread, *, had_ended: bool) -> bool:
    """Whether `run`, which had begun before the thread was read, and perhaps ended, is its latest run.

    After it, or after its pause, another process may have gone on with the thread.
    """
    went_on = had_ended and isinstance(run.outcome, Paused) and thread.status != "paused"
    return thread.run_id == run.id and not went_on
