"""A2A's methods: what each takes, and its response."""

from collections.abc import AsyncIterator
from typing import Final

from starlette.responses import JSONResponse, Response
from starlette.types import Receive

from agent.api.disconnect import while_connected
from agent.api.event_stream import EventStream, server_sent
from agent.api.json_rpc import RequestId, RpcRequest, result_response
from graph.approvals.inbox import Inbox
from graph.approvals.titles import NO_TITLES, Titles
from identity.access_token.verified_access_token import VerifiedAccessToken
from plugins.a2a.a2a_error import A2ACode, A2AError
from plugins.a2a.approver import reply_to_approver
from plugins.a2a.members import Members
from plugins.a2a.parameters import ListParams, Message, SendConfiguration, SendParams, TaskParams, read_params
from plugins.a2a.stored_task import task_list
from plugins.a2a.task import with_history
from plugins.a2a.tasks import TaskRun, Tasks
from plugins.a2a.user_message import check_configuration
from plugins.a2a.version import newer_request, to_v03


class Reply:
    """Responses to one request, in the form of version 1.0, or of 0.3 if it is `older`."""

    def __init__(self, request_id: RequestId, *, older: bool) -> None:
        self._id = request_id
        self._older = older

    def of(self, update: Members) -> Response:
        """One response: an object of version 1.0 in its wrapper, such as `{"task": …}`."""
        return JSONResponse(self._result(update))

    def of_task(self, task: Members) -> Response:
        """The response of a method that has no other result than a task, and so no wrapper."""
        if self._older:
            return self.of({"task": task})
        return JSONResponse(result_response(self._id, task))

    def stream_of(self, run: TaskRun | Members, history_length: int | None = None) -> Response:
        """The task, then a response for each update."""
        if not isinstance(run, TaskRun):
            return self.stream_of_one({"task": with_history(run, history_length)})
        return EventStream(self._updates(run, history_length), run.reader.leave)

    def stream_of_one(self, update: Members) -> Response:
        """One response, as a stream."""
        return Response(server_sent([self._result(update)]), media_type=EventStream.media_type)

    async def _updates(self, run: TaskRun, history_length: int | None) -> AsyncIterator[str]:
        try:
            async for updates in run.updates():
                if task := updates[0].get("task"):
                    yield server_sent([self._result({"task": with_history(task, history_length)})])
                else:
                    yield server_sent(map(self._result, updates))
        except A2AError as error:
            yield server_sent([error.response(self._id)])

    def _result(self, update: Members) -> Members:
        result = to_v03(update) if self._older else update
        return result_response(self._id, result)


METHODS: Final = (
    *("SendMessage", "SendStreamingMessage", "GetTask", "ListTasks", "CancelTask", "SubscribeToTask"),
)
_PUSH_NOTIFICATIONS: Final = "TaskPushNotificationConfig"


class Methods:
    """Responds to requests. Raises `A2AError`, and the errors of the runs."""

    def __init__(self, tasks: Tasks, inbox: Inbox | None = None, titles: Titles = NO_TITLES) -> None:
        self._tasks = tasks
        self._inbox = inbox
        self._titles = titles

    async def response(
        self, received: RpcRequest, caller: VerifiedAccessToken, receive: Receive, *, older: bool
    ) -> Response:
        """The response, in the form of version 0.3 if the request is `older`. `receive` belongs to the
        request, whose body was read.
        """
        request = newer_request(received) if older else received
        reply = Reply(request.id, older=older)
        match request.method:
            case "SendMessage":
                return reply.of(await self._send(request, caller, receive))
            case "SendStreamingMessage":
                sent, configuration = _sent(request)
                if update := await self._to_approver(sent.message, caller):
                    return reply.stream_of_one(update)
                run = await self._tasks.send(sent.message, caller)
                return reply.stream_of(run, configuration.history_length)
            case "SubscribeToTask":
                named = read_params(TaskParams, request.params)
                return reply.stream_of(await self._tasks.follow(named.id, caller))
            case "GetTask":
                named = read_params(TaskParams, request.params)
                task = await self._tasks.get(named.id, caller)
                return reply.of_task(with_history(task, named.history_length))
            case "ListTasks":
                wanted = read_params(ListParams, request.params)
                return reply.of(await task_list(self._tasks.conversations, wanted, caller))
            case "CancelTask":
                named = read_params(TaskParams, request.params)
                return reply.of_task(await self._tasks.cancel(named.id, caller))
        raise _refused(request.method)

    async def _send(self, request: RpcRequest, caller: VerifiedAccessToken, receive: Receive) -> Members:
        """The task when it has ended, or waits; at once if the client wishes that. Approvers get a text."""
        params, configuration = _sent(request)
        if update := await self._to_approver(params.message, caller):
            return update
        at_once = bool(configuration.return_immediately)
        if at_once and not self._tasks.are_stored:
            text = "This agent stores no conversations, so a task cannot be read later"
            raise A2AError(A2ACode.UNSUPPORTED_OPERATION, text)
        task = await self._tasks.send(params.message, caller)
        if isinstance(task, TaskRun):
            run = task
            try:
                task = run.encoder.task() if at_once else await while_connected(run.ended(), receive)
            finally:
                run.reader.leave()
        return {"task": with_history(task, configuration.history_length)}

    async def _to_approver(self, message: Message, caller: VerifiedAccessToken) -> Members | None:
        if self._inbox is None:
            return None
        reply = await reply_to_approver(self._inbox, message, caller, self._titles)
        return {"message": reply} if reply else None


def _sent(request: RpcRequest) -> tuple[SendParams, SendConfiguration]:
    params = read_params(SendParams, request.params)
    configuration = params.configuration or SendConfiguration()
    check_configuration(configuration)
    return params, configuration


def _refused(method: str) -> A2AError:
    if method.endswith((_PUSH_NOTIFICATIONS, f"{_PUSH_NOTIFICATIONS}s")):
        return A2AError(A2ACode.PUSH_NOTIFICATION_NOT_SUPPORTED, "The agent sends no push notifications")
    if method == "GetExtendedAgentCard":
        return A2AError(A2ACode.UNSUPPORTED_OPERATION, f"The agent does not support {method}")
    return A2AError(A2ACode.METHOD_NOT_FOUND, "A2A has no such method")
