"""Tasks on stored conversations: A2A's context is a thread, a task is one of its runs.

A run goes on when its client leaves: the task is read later, in any process, also after a restart.
"""

from collections.abc import Sequence
from contextlib import suppress
from typing import Final

from langchain_core.messages import AnyMessage

from agent.api.a2a.encoder import TaskEncoder
from agent.api.a2a.members import Members, TaskState
from agent.api.a2a.rpc_error import RpcCode, RpcError, invalid_params, rpc_error_of
from agent.api.a2a.rpc_request import ListParams, Message
from agent.api.a2a.running_task import running_task
from agent.api.a2a.stored_task import StoredTask
from agent.api.a2a.task import history_of, text_of
from agent.api.a2a.task_id import TaskId, stored_id
from agent.api.a2a.task_list import task_list
from agent.api.a2a.task_run import TaskRun
from agent.api.a2a.user_message import context_of, decision, question
from agent.conversations.thread import MessageStoredError, owner_of
from agent.errors.error_response import RequestError
from agent.runs.conversation_runs import Conversations
from agent.runs.run import Run
from graph.error_codes import GraphCode
from identity.access_token.verified_access_token import VerifiedAccessToken
from identity.errors import ApprovalError, ThreadNotFoundError

_RECENT: Final = 40
"""The messages among which one that is sent again is recognised."""


class ThreadTasks:
    """See `Tasks`."""

    kept = True

    def __init__(self, conversations: Conversations) -> None:
        self._conversations = conversations

    async def send(self, message: Message, caller: VerifiedAccessToken) -> TaskRun | Members:
        """See `Tasks`. A message with a task's id is the decision that this task waits for."""
        if message.task_id:
            return await self._answer(message, message.task_id, caller)
        asked, context_id = question(message), context_of(message)
        if message.context_id and (task_id := await self._known(message, caller)):
            return await self._of_known(task_id, caller)
        try:
            run = await self._conversations.start(caller, context_id, [asked], streaming=True)
        except ApprovalError as error:
            raise await self._waiting(error, context_id, caller) from None
        except MessageStoredError as stored:
            [run_id] = stored.runs.values()
            return await self._of_known(TaskId(context_id, run_id), caller)
        return self._started(run, [asked])

    async def get(self, task_id: str, caller: VerifiedAccessToken) -> Members:
        """See `Tasks`."""
        stored = await StoredTask.read(self._conversations, TaskId.read(task_id), caller)
        return await stored.members(self._conversations, caller)

    async def list(self, params: ListParams, caller: VerifiedAccessToken) -> Members:
        """See `Tasks`."""
        return await task_list(self._conversations, params, caller)

    async def cancel(self, task_id: str, caller: VerifiedAccessToken) -> Members:
        """See `Tasks`. Raises `RpcError` if it has ended before."""
        if not _state(await self.get(task_id, caller)).ended:
            named = TaskId.read(task_id)
            await self._conversations.cancel(caller.principal, named.context_id, named.run_id)
            members = await self.get(task_id, caller)
            if _state(members) is TaskState.CANCELED:
                return members
        raise RpcError(RpcCode.TASK_NOT_CANCELABLE, "The task has ended")

    async def follow(self, task_id: str, caller: VerifiedAccessToken) -> TaskRun | Members:
        """See `Tasks`. Raises `RpcError` if it has ended."""
        stored = await StoredTask.read(self._conversations, TaskId.read(task_id), caller)
        if following := await running_task(self._conversations, stored, caller):
            return following
        members = await self.get(task_id, caller)
        if _state(members).ended:
            raise RpcError(RpcCode.UNSUPPORTED_OPERATION, "The task has ended; GetTask returns it")
        return members

    async def _answer(self, message: Message, task_id: str, caller: VerifiedAccessToken) -> TaskRun:
        named = TaskId.read(task_id)
        stored = await StoredTask.read(self._conversations, named, caller)
        if message.context_id and message.context_id != named.context_id:
            raise invalid_params(RequestError("message.contextId", "must be the context of the task"))
        state, given = _state(await stored.members(self._conversations, caller)), decision(message)
        if given is not None and not state.waits:
            await self._conversations.require_open(caller, named.context_id, given.approval)
        if state.ended:
            text = "The task has ended: a message without taskId begins another one in its context"
            raise RpcError(RpcCode.UNSUPPORTED_OPERATION, text)
        if not state.waits:
            raise RpcError(RpcCode.UNSUPPORTED_OPERATION, "The task is in progress, and waits for nothing")
        if given is None:
            text = f"the task {task_id} waits for a decision, found text"
            raise await self._waiting(ApprovalError(GraphCode.APPROVAL_OPEN, text), named.context_id, caller)
        try:
            answers = {given.approval: given.answer()}
        except RequestError as error:
            raise invalid_params(error) from None
        run = await self._conversations.resume(caller, named.context_id, answers, streaming=True)
        return self._started(run, stored.messages)

    async def _of_known(self, task_id: TaskId, caller: VerifiedAccessToken) -> TaskRun | Members:
        """The task of a message that is sent again."""
        stored = await StoredTask.read(self._conversations, task_id, caller)
        running = await running_task(self._conversations, stored, caller)
        return running or await self.get(str(task_id), caller)

    async def _known(self, message: Message, caller: VerifiedAccessToken) -> TaskId | None:
        """The task of a message that was received before."""
        owner, context_id = owner_of(caller.principal), message.context_id or ""
        with suppress(ThreadNotFoundError):
            for each in await self._conversations.threads.messages(owner, context_id, limit=_RECENT):
                if each.message.id == stored_id(message.message_id):
                    return TaskId(context_id, each.run_id)
        return None

    async def _waiting(
        self, error: ApprovalError, context_id: str, caller: VerifiedAccessToken
    ) -> RpcError | ApprovalError:
        """`error` with the task that waits, for a message that is no decision."""
        if error.code is not GraphCode.APPROVAL_OPEN:
            return error
        thread = await self._conversations.threads.get(owner_of(caller.principal), context_id)
        refused, task_id = rpc_error_of(error), TaskId(context_id, thread.run_id or "")
        return RpcError(refused.code, refused.message, refused.metadata | {"taskId": str(task_id)})

    def _started(self, run: Run, messages: Sequence[AnyMessage]) -> TaskRun:
        """The run that this request has started, or continued after `messages`."""
        task_id = TaskId(run.thread_id, run.id)
        encoder = TaskEncoder(task_id, history_of(task_id, messages), earlier=text_of(messages))
        return TaskRun(encoder, run.events())


def _state(members: Members) -> TaskState:
    return TaskState(members["status"]["state"])
