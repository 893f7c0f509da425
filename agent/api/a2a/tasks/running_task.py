"""Follows a task whose run this client did not start, or has lost."""

from collections.abc import AsyncIterator

from agent.api.a2a.tasks.encoder import TaskEncoder
from agent.api.a2a.tasks.remote_events import remote_events
from agent.api.a2a.tasks.stored_task import StoredTask
from agent.api.a2a.tasks.task import history_of, text_of
from agent.api.a2a.tasks.task_run import TaskRun
from agent.conversations.conversation_runs import Conversations
from agent.conversations.live.live_reader import LiveReader
from agent.conversations.live.live_run import LiveRun
from agent.conversations.live.remote_run import RemoteReader
from agent.conversations.relay.relayed_run import RelayedRun
from agent.conversations.store.thread import owner_of
from agent.errors.error_codes import AgentCode
from agent.runs.run_end import Finished, Paused
from agent.runs.run_reader import RunEvent
from identity.access_token.verified_access_token import VerifiedAccessToken
from identity.errors import LimitError


async def running_task(
    conversations: Conversations, stored: StoredTask, caller: VerifiedAccessToken
) -> TaskRun | None:
    """The run of a task from now on, in whichever process it is; `None` if it is in progress in none.

    What was before is in its first update. Raises `LimitError` if the caller follows too many runs.
    """
    if stored.ended:
        return None
    reader: LiveReader | RemoteReader
    owner = owner_of(caller.principal)
    run = stored.running or await _relayed(conversations, stored, owner)
    if run is not None:
        encoder, reader = _so_far(stored, run), run.events(run.replay.newest)
        events = _events(reader, conversations, stored, caller)
    elif stored.record.state == "working":
        encoder = _encoder(stored, text_of(stored.messages))
        reader = RemoteReader(conversations.threads, owner, stored.id.context_id)
        events = remote_events(reader, conversations, stored, caller)
    else:
        return None
    return TaskRun(encoder, events, conversations.readers.add(reader, caller))


async def _relayed(conversations: Conversations, stored: StoredTask, owner: str) -> RelayedRun | None:
    """The run of another process, if its events are shared."""
    thread = await conversations.threads.get(owner, stored.id.context_id)
    if thread.run_id != stored.id.run_id:
        return None
    run = await conversations.relayed(owner, thread)
    if run is None or run.id != stored.id.run_id or run.outcome is not None:
        return None
    conversations.follow(run)
    return run


def _so_far(stored: StoredTask, run: LiveRun | RelayedRun) -> TaskEncoder:
    """An encoder as the events of the run have left it."""
    events = [run.replay.at(position) for position in range(run.replay.oldest, run.replay.newest + 1)]
    again = {name for event in events if (name := _response(event)) is not None}
    encoder = _encoder(
        stored, {name: text for name, text in text_of(stored.messages).items() if name not in again}
    )
    for event in events:
        encoder.event(event)
    return encoder


def _encoder(stored: StoredTask, earlier: dict[str, str]) -> TaskEncoder:
    return TaskEncoder(stored.id, history_of(stored.id, stored.messages), earlier=earlier)


def _response(event: RunEvent) -> str | None:
    """The id of the response that begins with `event`."""
    if isinstance(event, Finished | Paused) or event["type"] != "response_started":
        return None
    return event["message_id"]


async def _events(
    reader: LiveReader, conversations: Conversations, stored: StoredTask, caller: VerifiedAccessToken
) -> AsyncIterator[RunEvent]:
    """The events without their positions. Of another process's run, what it waits for is read from the
    store. Raises `LimitError` if it waits no more.
    """
    async for _, event in reader:
        if isinstance(event, Paused) and not event.pending:
            end = await conversations.paused(caller, stored.id.context_id, event.usage)
            if end is None:
                raise LimitError(AgentCode.EVENTS_LOST, "the run waits no more")
            yield end
        else:
            yield event
