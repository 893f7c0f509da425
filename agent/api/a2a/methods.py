"""A2A's methods: what each takes, and its response."""

from collections.abc import AsyncIterator, Iterable
from typing import Final

from starlette.responses import JSONResponse, Response
from starlette.types import Receive

from agent.api.a2a.approver import reply_to_approver
from agent.api.a2a.members import Members, rpc_result
from agent.api.a2a.rpc_error import RpcCode, RpcError, rpc_error_response
from agent.api.a2a.rpc_request import (
    ListParams,
    Message,
    RequestId,
    RpcRequest,
    SendConfiguration,
    SendParams,
    TaskParams,
    read_params,
)
from agent.api.a2a.stored_task import task_list
from agent.api.a2a.task import with_history
from agent.api.a2a.tasks import StatelessTasks, TaskRun, Tasks, ThreadTasks, not_kept
from agent.api.a2a.user_message import check_configuration
from agent.api.a2a.version import Version
from agent.api.disconnect import while_connected
from agent.api.event_stream import EventStream, server_sent
from graph.approvals.inbox import Inbox
from identity.access_token.verified_access_token import VerifiedAccessToken


class Reply:
    """Responses to one request."""

    def __init__(self, request_id: RequestId, version: Version) -> None:
        self._id = request_id
        self._version = version

    def of(self, result: Members) -> Response:
        """One response."""
        return JSONResponse(rpc_result(self._id, result))

    def stream_of(self, run: TaskRun | Members, history_length: int | None = None) -> Response:
        """The task, then a response for each update."""
        if not isinstance(run, TaskRun):
            return self.stream_of_one({"task": with_history(run, history_length)})
        return EventStream(self._updates(run, history_length), run.reader.leave)

    def stream_of_one(self, update: Members) -> Response:
        """One response, as a stream."""
        return Response(self._text([update]), media_type=EventStream.media_type)

    async def _updates(self, run: TaskRun, history_length: int | None) -> AsyncIterator[str]:
        try:
            async for updates in run.updates():
                if task := updates[0].get("task"):
                    updates = [{"task": with_history(task, history_length)}]
                yield self._text(updates)
        except RpcError as error:
            yield server_sent([rpc_error_response(self._id, error)])

    def _text(self, updates: Iterable[Members]) -> str:
        return server_sent(rpc_result(self._id, self._version.result(update)) for update in updates)


METHODS: Final = (
    *("SendMessage", "SendStreamingMessage", "GetTask", "ListTasks", "CancelTask", "SubscribeToTask"),
)
_UNSUPPORTED: Final = ("GetExtendedAgentCard",)
_PUSH_NOTIFICATIONS: Final = "TaskPushNotificationConfig"


class Methods:
    """Responds to requests. Raises `RpcError`, and the errors of the runs."""

    def __init__(self, tasks: Tasks, inbox: Inbox | None = None) -> None:
        self._tasks = tasks
        self._inbox = inbox

    async def response(
        self, given: RpcRequest, version: Version, caller: VerifiedAccessToken, receive: Receive
    ) -> Response:
        """The response in the form of `version`. `receive` belongs to the request, whose body was read."""
        request = version.request(given)
        reply = Reply(request.id, version)
        match request.method:
            case "SendMessage":
                return reply.of(version.result(await self._send(request, caller, receive)))
            case "SendStreamingMessage":
                sent, configuration = _sent(request)
                if update := await self._to_approver(sent.message, caller):
                    return reply.stream_of_one(update)
                run = await self._tasks.send(sent.message, caller)
                return reply.stream_of(run, configuration.history_length)
            case "SubscribeToTask":
                named = read_params(TaskParams, request.params)
                return reply.stream_of(await self._kept.follow(named.id, caller))
            case "GetTask":
                named = read_params(TaskParams, request.params)
                found = await self._kept.get(named.id, caller)
                return reply.of(version.task(with_history(found, named.history_length)))
            case "ListTasks":
                wanted = read_params(ListParams, request.params)
                return reply.of(await task_list(self._kept.conversations, wanted, caller))
            case "CancelTask":
                named = read_params(TaskParams, request.params)
                return reply.of(version.task(await self._kept.cancel(named.id, caller)))
        raise _refused(request.method)

    @property
    def _kept(self) -> ThreadTasks:
        """The tasks that can be read later. Raises `RpcError` if there are none."""
        if isinstance(self._tasks, StatelessTasks):
            raise not_kept()
        return self._tasks

    async def _send(self, request: RpcRequest, caller: VerifiedAccessToken, receive: Receive) -> Members:
        """The task when it has ended, or waits; at once if the client wishes that. Approvers get a text."""
        given, configuration = _sent(request)
        if update := await self._to_approver(given.message, caller):
            return update
        at_once = bool(configuration.return_immediately)
        if at_once and isinstance(self._tasks, StatelessTasks):
            text = "This agent stores no conversations, so a task cannot be read later"
            raise RpcError(RpcCode.UNSUPPORTED_OPERATION, text)
        task = await self._tasks.send(given.message, caller)
        if isinstance(task, TaskRun):
            run = task
            try:
                if at_once:
                    task = run.encoder.task()
                else:
                    task = await while_connected(run.ended(), receive, run.reader.leave)
            finally:
                run.reader.leave()
        return {"task": with_history(task, configuration.history_length)}

    async def _to_approver(self, message: Message, caller: VerifiedAccessToken) -> Members | None:
        reply = self._inbox and await reply_to_approver(self._inbox, message, caller)
        return {"message": reply} if reply else None


def _sent(request: RpcRequest) -> tuple[SendParams, SendConfiguration]:
    given = read_params(SendParams, request.params)
    configuration = given.configuration or SendConfiguration()
    check_configuration(configuration)
    return given, configuration


def _refused(method: str) -> RpcError:
    if method.endswith((_PUSH_NOTIFICATIONS, f"{_PUSH_NOTIFICATIONS}s")):
        return RpcError(RpcCode.PUSH_NOTIFICATION_NOT_SUPPORTED, "The agent sends no push notifications")
    if method in _UNSUPPORTED:
        return RpcError(RpcCode.UNSUPPORTED_OPERATION, f"The agent does not support {method}")
    return RpcError(RpcCode.METHOD_NOT_FOUND, "A2A has no such method")
