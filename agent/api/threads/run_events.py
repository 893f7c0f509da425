"""The run of a conversation as AG-UI's events, for a reader who did not start it.

An event with an `id` is the last of one step: a client that reconnects sends this id as `Last-Event-ID`, and
receives what follows. Messages and calls have the ids under which they are stored: the beginning of one that
a client has already replaces it.
"""

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
from agent.runs.run_end import Finished, Paused
from agent.runs.run_reader import RunEvent
from identity.access_token.verified_access_token import VerifiedAccessToken
from identity.errors import AgentError, LimitError, UnavailableError

_SNAPSHOT: Final = 50
"""Messages of a snapshot: the newest. The page keeps those before them; AG-UI's clients do not."""


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
        thread = await self._conversations.threads.get(owner, thread_id)
        live = self._latest(owner, thread)
        run = live if live is not None and live.outcome is None else await self._relayed(owner, thread, live)
        if run is not None:
            position = _position(run, last_event_id)
            if run.outcome is not None and 0 < position == run.replay.newest:
                return None
            reader = run.events(max(position, run.replay.oldest - 1))
            return self._stream(reader, caller, self._live(run, reader, position, caller))
        if thread.status == "running":
            remote = RemoteReader(self._conversations.threads, owner, thread_id)
            return self._stream(remote, caller, self._remote(remote, caller, thread))
        return None

    def _latest(self, owner: str, thread: Thread) -> LiveRun | None:
        """The run that this process executes, or has executed a moment ago."""
        run = self._conversations.live.latest(owner, thread.id)
        return run if run is not None and _is_state_of(thread, run) else None

    async def _relayed(
        self, owner: str, thread: Thread, ended: LiveRun | None
    ) -> LiveRun | RelayedRun | None:
        """The same of another process, if its events are shared; else `ended`, a run of this process. After
        that one, the other process may have executed a further run.
        """
        run = await self._conversations.relayed(owner, thread)
        if run is None or not _is_state_of(thread, run) or (ended is not None and run.key == ended.key):
            return ended
        self._conversations.follow(run)
        return run

    def _stream(
        self, reader: LiveReader | RemoteReader, caller: VerifiedAccessToken, texts: AsyncIterator[str]
    ) -> Response:
        readers = self._conversations.readers
        readers.add(reader, caller)

        def leave() -> None:
            reader.close()
            readers.remove(reader)

        return EventStream(texts, leave)

    async def _live(
        self, live: LiveRun | RelayedRun, reader: LiveReader, position: int, caller: VerifiedAccessToken
    ) -> AsyncIterator[str]:
        encoder = self._encoder(live.thread_id, live.id, live.announced)
        if not position:
            yield server_sent(encoder.started())
        if position + 1 < live.replay.oldest:
            yield server_sent([await self._snapshot(live.owner, live.thread_id)])
        for known in range(live.replay.oldest, position + 1):
            _encoded(encoder, live.replay.at(known))
        ended = False
        try:
            async for number, event in reader:
                ended = isinstance(event, Finished | Paused)
                if isinstance(event, Paused) and not event.pending:
                    event = await self._waiting(caller, live.thread_id, event)
                if events := _encoded(encoder, event):
                    yield server_sent(events[:-1]) + f"id: {live.key}-{number}\n" + server_sent(events[-1:])
        except AgentError as error:
            yield server_sent(encoder.failed(error))
            return
        if not ended and live.outcome is not None:
            yield server_sent(encoder.cancelled())

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
        yield server_sent(encoder.started())
        try:
            async for thread in reader:
                yield server_sent([await self._snapshot(owner_of(caller.principal), thread.id)])
            if thread.status == "paused":
                pending = await self._conversations.pending(caller, thread.id)
                yield server_sent(encoder.paused_before(Paused(tuple(pending)), None))
            elif thread.status == "idle":
                yield server_sent(encoder.finished(Finished()))
            elif thread.status != "running":
                raise UnavailableError(AgentCode.RUN_INTERRUPTED, f"the thread is {thread.status}")
        except AgentError as error:
            yield server_sent(encoder.failed(error))

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


def _position(live: LiveRun | RelayedRun, last_event_id: str | None) -> int:
    """The position after which a client that has received `last_event_id` continues; 0 for another run's."""
    key, _, number = (last_event_id or "").rpartition("-")
    if key != live.key or not (number.isascii() and number.isdigit()) or len(number) > 9:
        return 0
    return min(int(number), live.replay.newest)


def _is_state_of(thread: Thread, run: LiveRun | RelayedRun) -> bool:
    """Whether `run` is that of the thread. After an ended one, another process may have gone on with it."""
    match run.outcome:
        case None:
            return thread.run_id == run.id or not isinstance(run, RelayedRun)
        case Paused():
            return thread.status == "paused" and thread.run_id == run.id
        case AgentError():
            return thread.status in ("failed", "interrupted") and thread.run_id == run.id
    return thread.status == "idle"
