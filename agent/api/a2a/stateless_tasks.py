"""Tasks of an agent that stores no conversations: each is one run, gone when its response has ended."""

import uuid

from langchain_core.messages import AnyMessage

from agent.api.a2a.encoder import TaskEncoder
from agent.api.a2a.members import Members
from agent.api.a2a.rpc_error import RpcCode, RpcError
from agent.api.a2a.rpc_request import ListParams, Message
from agent.api.a2a.task import history_of
from agent.api.a2a.task_id import TaskId
from agent.api.a2a.task_run import TaskRun
from agent.api.a2a.user_message import context_of, question
from agent.runs.runs import Runs
from identity.access_token.verified_access_token import VerifiedAccessToken


class StatelessTasks:
    """See `Tasks`. A client that leaves cancels its task. Calls that need an approval are not made."""

    kept = False

    def __init__(self, runs: Runs) -> None:
        self._runs = runs

    async def send(self, message: Message, caller: VerifiedAccessToken) -> TaskRun:
        """See `Tasks`."""
        if message.task_id:
            raise _not_kept()
        messages: list[AnyMessage] = [question(message)]
        task_id = TaskId(context_of(message), uuid.uuid4().hex)
        run = self._runs.start(messages, caller, streaming=True, steps=True)
        return TaskRun(TaskEncoder(task_id, history_of(task_id, messages)), run)

    async def get(self, task_id: str, caller: VerifiedAccessToken) -> Members:  # noqa: ARG002 - see `Tasks`
        """See `Tasks`."""
        raise _not_kept()

    async def list(self, params: ListParams, caller: VerifiedAccessToken) -> Members:  # noqa: ARG002 - see `Tasks`
        """See `Tasks`."""
        raise _not_kept()

    async def cancel(self, task_id: str, caller: VerifiedAccessToken) -> Members:  # noqa: ARG002 - see `Tasks`
        """See `Tasks`."""
        raise _not_kept()

    async def follow(self, task_id: str, caller: VerifiedAccessToken) -> TaskRun:  # noqa: ARG002 - see `Tasks`
        """See `Tasks`."""
        raise _not_kept()


def _not_kept() -> RpcError:
    return RpcError(RpcCode.UNSUPPORTED_OPERATION, "This agent stores no conversations, and so no tasks")
