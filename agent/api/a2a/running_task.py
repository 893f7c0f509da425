"""Follows a task whose run this client did not start, or has lost."""

from collections.abc import AsyncIterator

from agent.api.a2a.encoder import TaskEncoder
from agent.api.a2a.stored_task import StoredTask
from agent.api.a2a.task import history_of, text_of
from agent.api.a2a.task_run import TaskRun
from agent.runs.conversation_runs import Conversations, RunFollower
from agent.runs.followed_run import FollowedRun
from agent.runs.run_end import Finished, Paused
from agent.runs.run_reader import RunEvent
from identity.access_token.verified_access_token import VerifiedAccessToken


async def running_task(
    conversations: Conversations, stored: StoredTask, caller: VerifiedAccessToken
) -> TaskRun | None:
    """The run of a task from now on, in whichever process it is; `None` if it is in progress in none.

    What was before is in its first update. Raises `LimitError` if the caller follows too many runs.
    """
    if stored.ended:
        return None
    run = await conversations.follow(caller, stored.id.context_id)
    if run is None or run.id != stored.id.run_id or run.outcome is not None:
        return None
    follower = conversations.read(run, caller, run.replay.newest)
    return TaskRun(_so_far(stored, run), _events(follower), follower.leave)


def _so_far(stored: StoredTask, run: FollowedRun) -> TaskEncoder:
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


async def _events(follower: RunFollower) -> AsyncIterator[RunEvent]:
    """The events without their positions."""
    async for _, event in follower:
        yield event
