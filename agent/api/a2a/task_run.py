"""A task whose run is in progress, read by one client."""

from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Protocol

from agent.api.a2a.encoder import TaskEncoder
from agent.api.a2a.members import Members
from agent.api.a2a.rpc_error import rpc_error_of
from agent.api.a2a.rpc_request import ListParams, Message
from agent.errors.error_codes import AgentCode
from agent.runs.run import Finished, Paused, RunReader
from identity.access_token.verified_access_token import VerifiedAccessToken
from identity.errors import AgentError


@dataclass(frozen=True, slots=True)
class TaskRun:
    """`encoder` has the events before those that `reader` reads next."""

    encoder: TaskEncoder
    reader: RunReader

    def leave(self) -> None:
        """The client has left, or needs no further events. May be called twice."""
        self.reader.leave()

    async def updates(self) -> AsyncIterator[list[Members]]:
        """The task, then what changes of it: one list for each event that a client sees.

        Raises `RpcError` if the client is too slow to read all of them: the run may go on.
        """
        yield [{"task": self.encoder.task()}]
        ended = False
        try:
            async for event in self.reader:
                ended = isinstance(event, Finished | Paused)
                if updates := self.encoder.event(event):
                    yield updates
        except AgentError as error:
            if error.code is AgentCode.EVENTS_LOST:
                raise rpc_error_of(error) from None
            yield self.encoder.failed(error)
            return
        if not ended:
            yield self.encoder.cancelled()

    async def ended(self) -> Members:
        """The task when it has ended, or waits for its user."""
        async for _ in self.updates():
            pass
        return self.encoder.task()


class Tasks(Protocol):
    """The tasks of all callers, each reachable by its own alone.

    Raises `RpcError`, and the errors of the runs.
    """

    @property
    def kept(self) -> bool:
        """Whether a task can be read later."""
        ...

    async def send(self, message: Message, caller: VerifiedAccessToken) -> TaskRun | Members:
        """The run that the message begins or continues. A message that was received before is no input
        again: the task that it belongs to, as it is now.
        """
        ...

    async def get(self, task_id: str, caller: VerifiedAccessToken) -> Members:
        """The task as it is now."""
        ...

    async def list(self, params: ListParams, caller: VerifiedAccessToken) -> Members:
        """`ListTasksResponse`: a page of the caller's tasks, the last changed first."""
        ...

    async def cancel(self, task_id: str, caller: VerifiedAccessToken) -> Members:
        """Ends the task, also one that waits. When this returns, it has ended."""
        ...

    async def follow(self, task_id: str, caller: VerifiedAccessToken) -> TaskRun | Members:
        """The run of the task that is in progress; the task alone while it waits."""
        ...
