"""The events of a run that another process executes, made of what it stores: whole responses, and the end."""

from collections.abc import AsyncIterator, Collection, Iterator

from langchain_core.messages import AIMessage

from agent.api.a2a.tasks.stored_task import StoredTask
from agent.api.a2a.tasks.task_status import code_of
from agent.api.a2a.wire.members import TaskState
from agent.conversations.conversation_runs import Conversations
from agent.conversations.live.remote_run import RemoteReader
from agent.runs.run_end import Finished, Paused
from agent.runs.run_reader import RunEvent
from identity.access_token.verified_access_token import VerifiedAccessToken
from identity.errors import UnavailableError


async def remote_events(
    reader: RemoteReader,
    conversations: Conversations,
    task: StoredTask,
    caller: VerifiedAccessToken,
) -> AsyncIterator[RunEvent]:
    """Events after those of `task`, as a live run has them; the end is missing if the run was cancelled.

    Raises `UnavailableError` with the recorded code if it failed: the log of its process has the details.
    """
    known = {message.id for message in task.messages}
    async for _ in reader:
        task = await StoredTask.read(conversations, task.id, caller)
        for event in _responses(task, known):
            yield event
        known |= {message.id for message in task.messages}
    members = await task.members(conversations, caller)
    match members["status"]["state"]:
        case TaskState.COMPLETED:
            yield Finished()
        case TaskState.INPUT_REQUIRED | TaskState.AUTH_REQUIRED:
            yield Paused(tuple(await conversations.pending(caller, task.id.context_id)))
        case TaskState.FAILED:
            raise UnavailableError(code_of(task.record), "the run failed in another process")


def _responses(task: StoredTask, known: Collection[str | None]) -> Iterator[RunEvent]:
    for message in task.messages:
        if isinstance(message, AIMessage) and message.id and message.id not in known and message.text:
            yield {"type": "response_started", "message_id": message.id}
            yield {"type": "content", "text": message.text}
