"""Follows a task whose run this client did not start, or has lost."""

from agent.api.a2a.encoder import TaskEncoder
from agent.api.a2a.stored_task import StoredTask
from agent.api.a2a.task import history_of, text_of
from agent.api.a2a.task_run import TaskRun
from agent.runs.conversation_runs import Conversations
from agent.runs.run import Finished, Paused
from identity.access_token.verified_access_token import VerifiedAccessToken


async def running_task(
    conversations: Conversations, stored: StoredTask, caller: VerifiedAccessToken
) -> TaskRun | None:
    """The run of a task from now on, in whichever process it is; `None` if it is in progress in none.

    The first update has what was before. Raises `LimitError` if the caller follows too many runs.
    """
    reader = None if stored.ended else await conversations.follow(caller, stored.id.context_id)
    if reader is None:
        return None
    if reader.run.id != stored.id.run_id or reader.run.outcome is not None:
        reader.leave()
        return None
    events = [event for event in reader.past() if not isinstance(event, Finished | Paused)]
    again = {event["message_id"] for event in events if event["type"] == "response_started"}
    earlier = {name: text for name, text in text_of(stored.messages).items() if name not in again}
    encoder = TaskEncoder(stored.id, history_of(stored.id, stored.messages), earlier=earlier)
    for event in events:
        encoder.event(event)
    return TaskRun(encoder, reader)
