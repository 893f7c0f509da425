"""A2A's tasks: runs that messages begin and continue, and that clients follow, read and cancel."""

import uuid
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass

from langchain_core.messages import AnyMessage

from agent.conversations.owned_thread import OwnedThread
from agent.conversations.thread import MessageStoredError
from agent.errors.error_codes import AgentCode
from agent.errors.error_response import RequestError
from agent.runs.chats import Chats
from agent.runs.conversation_runs import Conversations
from agent.runs.run import End, RunReader
from graph.error_codes import GraphCode
from identity.access_token.verified_access_token import VerifiedAccessToken
from identity.errors import AgentError, ApprovalError
from plugins.a2a.a2a_error import A2ACode, A2AError, a2a_error_of, invalid_params
from plugins.a2a.encoder import TaskEncoder
from plugins.a2a.members import Members, TaskState
from plugins.a2a.parameters import Message
from plugins.a2a.stored_task import StoredTask
from plugins.a2a.task import TaskId, history_of, text_of
from plugins.a2a.user_message import context_of, decision, question


@dataclass(frozen=True, slots=True)
class TaskRun:
    """A task whose run one client reads. `encoder` has the events that `reader` has read."""

    encoder: TaskEncoder
    reader: RunReader

    async def updates(self) -> AsyncIterator[list[Members]]:
        """The task, then what changes of it: one list for each event that a client sees.

        Raises `A2AError` if the client is too slow to read all of them: the run may go on.
        """
        yield [{"task": self.encoder.task()}]
        try:
            async for event in self.reader:
                if updates := self.encoder.event(event):
                    yield updates
        except AgentError as error:
            if error.code is AgentCode.EVENTS_LOST:
                raise a2a_error_of(error) from None
            yield self.encoder.failed(error)

    async def ended(self) -> Members:
        """The task when it has ended, or waits for its user."""
        async for _ in self.updates():
            pass
        return self.encoder.task()


@dataclass(frozen=True, slots=True)
class Tasks:
    """Tasks on stored conversations: A2A's context is a thread, a task is one of its runs.

    A run goes on when its client leaves: the task is read later, in any process, also after a restart. Tasks
    of other callers are absent. If no conversations are stored, each task is one run, gone when its response
    has ended: a client that leaves cancels it, and calls that need an approval are not made. Methods raise
    `A2AError`, and the errors of the runs.
    """

    chats: Chats
    most_images: int

    @property
    def are_stored(self) -> bool:
        """Whether a task can be read later."""
        return self.chats.conversations is not None

    @property
    def conversations(self) -> Conversations:
        """The conversations that keep the tasks. Raises `A2AError` if the agent stores none."""
        if self.chats.conversations is None:
            text = "This agent stores no conversations, and so no tasks"
            raise A2AError(A2ACode.UNSUPPORTED_OPERATION, text)
        return self.chats.conversations

    async def send(self, message: Message, caller: VerifiedAccessToken) -> TaskRun | Members:
        """The run that the message begins. With the id of a task, the message is the decision that this task
        waits for, and continues its run. For a message that was received before, returns its task as it is.
        """
        if message.task_id:
            return await self._answer(message, message.task_id, caller)
        asked = question(message, self.most_images)
        context_id = context_of(message)
        thread_id = context_id if self.are_stored else None
        try:
            reader = await self.chats.begin(caller, [asked], thread_id, streaming=True, steps=True)
        except ApprovalError as error:
            raise await self._waiting(error, context_id, caller) from None
        except MessageStoredError as error:
            [run_id] = error.runs.values()
            return await self._now(str(TaskId(context_id, run_id)), caller)
        task_id = TaskId(context_id, reader.run.id or uuid.uuid4().hex)
        return _started(task_id, reader, [asked])

    async def get(self, task_id: str, caller: VerifiedAccessToken) -> Members:
        """The task as it is now."""
        stored = await StoredTask.read(self.conversations, task_id, caller)
        return await stored.members(self.conversations, caller)

    async def cancel(self, task_id: str, caller: VerifiedAccessToken) -> Members:
        """Ends the task, also one that waits. When this returns, it has ended. Raises `A2AError` if it had
        ended before.
        """
        if not _state(await self.get(task_id, caller)).ended:
            named = TaskId.read(task_id)
            await self.conversations.cancel(caller, named.context_id, named.run_id)
            members = await self.get(task_id, caller)
            if _state(members) is TaskState.CANCELED:
                return members
        raise A2AError(A2ACode.TASK_NOT_CANCELABLE, "The task has ended")

    async def follow(self, task_id: str, caller: VerifiedAccessToken) -> TaskRun | Members:
        """The run of the task that is in progress; the task alone while it waits. Raises `A2AError` if it has
        ended.
        """
        task = await self._now(task_id, caller)
        if not isinstance(task, TaskRun) and _state(task).ended:
            raise A2AError(A2ACode.UNSUPPORTED_OPERATION, "The task has ended; GetTask returns it")
        return task

    async def _answer(self, message: Message, task_id: str, caller: VerifiedAccessToken) -> TaskRun:
        stored = await StoredTask.read(self.conversations, task_id, caller)
        named = stored.id
        if message.context_id and message.context_id != named.context_id:
            raise invalid_params("message.contextId", "must be the context of the task")
        state = _state(await stored.members(self.conversations, caller))
        decided = decision(message)
        if decided is not None and not state.waits:
            await self.conversations.require_open(caller, named.context_id, decided.approval)
        if state.ended:
            text = "The task has ended: a message without taskId begins another one in its context"
            raise A2AError(A2ACode.UNSUPPORTED_OPERATION, text)
        if not state.waits:
            raise A2AError(A2ACode.UNSUPPORTED_OPERATION, "The task is in progress, and waits for nothing")
        if decided is None:
            text = f"the task {task_id} waits for a decision, found text"
            raise await self._waiting(ApprovalError(GraphCode.APPROVAL_OPEN, text), named.context_id, caller)
        try:
            answers = {decided.approval: decided.answer()}
        except RequestError as error:
            raise invalid_params(error.param, error.problem) from None
        run = await self.conversations.resume(caller, named.context_id, answers, streaming=True)
        return _started(named, run.events(), stored.messages)

    async def _now(self, task_id: str, caller: VerifiedAccessToken) -> TaskRun | Members:
        """The run of the task, or the task alone if none is in progress."""
        stored = await StoredTask.read(self.conversations, task_id, caller)
        return await self._running(stored, caller) or await self.get(task_id, caller)

    async def _running(self, stored: StoredTask, caller: VerifiedAccessToken) -> TaskRun | None:
        """The run of a task from now on, in whichever process it is; `None` if it is in progress in none.

        The first update has what was before.
        """
        if stored.state.ended:  # whatever its run still does
            return None
        reader = await self.conversations.follow(caller, stored.id.context_id)
        if reader is None:
            return None
        if reader.run.id != stored.id.run_id or reader.run.outcome is not None:
            reader.leave()
            return None
        events = [event for event in reader.past() if not isinstance(event, End)]
        again = {event["message_id"] for event in events if event["type"] == "response_started"}
        earlier = {name: text for name, text in text_of(stored.messages).items() if name not in again}
        encoder = TaskEncoder(stored.id, history_of(stored.id, stored.messages), earlier=earlier)
        for event in events:
            encoder.event(event)
        return TaskRun(encoder, reader)

    async def _waiting(
        self, error: ApprovalError, context_id: str, caller: VerifiedAccessToken
    ) -> A2AError | ApprovalError:
        """`error` with the task that waits, for a message that is no decision."""
        if error.code is not GraphCode.APPROVAL_OPEN:
            return error
        thread = await self.conversations.threads.get(OwnedThread.of(caller, context_id))
        refused = a2a_error_of(error)
        task_id = TaskId(context_id, thread.run_id or "")
        return A2AError(refused.code, refused.message, refused.metadata | {"taskId": str(task_id)})


def _started(task_id: TaskId, reader: RunReader, messages: Sequence[AnyMessage]) -> TaskRun:
    """The run that this request has started, or continued after `messages`."""
    encoder = TaskEncoder(task_id, history_of(task_id, messages), earlier=text_of(messages))
    return TaskRun(encoder, reader)


def _state(members: Members) -> TaskState:
    return TaskState(members["status"]["state"])
