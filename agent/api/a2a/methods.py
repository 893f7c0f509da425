"""A2A's methods: what each takes, and its response."""

from collections.abc import AsyncIterator
from typing import Final

from starlette.responses import JSONResponse, Response
from starlette.types import Receive

from agent.api.a2a.rpc_error import RpcCode, RpcError
from agent.api.a2a.rpc_request import (
    RequestId,
    RpcRequest,
    SendConfiguration,
    SendParams,
    TaskParams,
    read_params,
)
from agent.api.a2a.task import with_history
from agent.api.a2a.task_run import TaskRun, Tasks
from agent.api.a2a.user_message import check_configuration
from agent.api.a2a.wire import Members, rpc_result, server_sent
from agent.api.disconnect import while_connected
from agent.api.event_stream import EventStream
from identity.access_token.verified_access_token import VerifiedAccessToken

METHODS: Final = ("SendMessage", "SendStreamingMessage", "GetTask", "CancelTask", "SubscribeToTask")
_UNSUPPORTED: Final = ("ListTasks", "GetExtendedAgentCard")
_PUSH_NOTIFICATIONS: Final = "TaskPushNotificationConfig"


class Methods:
    """Responds to requests. Raises `RpcError`, and the errors of the runs."""

    def __init__(self, tasks: Tasks) -> None:
        self._tasks = tasks

    async def response(self, request: RpcRequest, caller: VerifiedAccessToken, receive: Receive) -> Response:
        """`receive` is that of the HTTP request, whose body was read."""
        match request.method:
            case "SendMessage":
                return await self._send(request, caller, receive)
            case "SendStreamingMessage":
                given, configuration = _sent(request)
                run = await self._tasks.send(given.message, caller)
                return _streamed(request.id, run, configuration.history_length)
            case "SubscribeToTask":
                named = read_params(TaskParams, request.params)
                return _streamed(request.id, await self._tasks.follow(named.id, caller), None)
            case "GetTask":
                named = read_params(TaskParams, request.params)
                found = await self._tasks.get(named.id, caller)
                return _result(request.id, with_history(found, named.history_length))
            case "CancelTask":
                named = read_params(TaskParams, request.params)
                return _result(request.id, await self._tasks.cancel(named.id, caller))
        raise _refused(request.method)

    async def _send(self, request: RpcRequest, caller: VerifiedAccessToken, receive: Receive) -> Response:
        """The task when it has ended, or waits; at once if the client wishes that."""
        given, configuration = _sent(request)
        at_once = bool(configuration.return_immediately)
        if at_once and not self._tasks.kept:
            text = "This agent stores no conversations, so a task cannot be read later"
            raise RpcError(RpcCode.UNSUPPORTED_OPERATION, text)
        task = await self._tasks.send(given.message, caller)
        if isinstance(task, TaskRun):
            run = task
            try:
                task = run.encoder.task() if at_once else await while_connected(run, run.ended(), receive)
            finally:
                run.cancel()
        return _result(request.id, {"task": with_history(task, configuration.history_length)})


def _sent(request: RpcRequest) -> tuple[SendParams, SendConfiguration]:
    given = read_params(SendParams, request.params)
    configuration = given.configuration or SendConfiguration()
    check_configuration(configuration)
    return given, configuration


def _result(request_id: RequestId, result: Members) -> Response:
    return JSONResponse(rpc_result(request_id, result))


def _streamed(request_id: RequestId, run: TaskRun | Members, history_length: int | None) -> Response:
    """Each update as a response of its own. The first is the task."""

    async def texts() -> AsyncIterator[str]:
        if not isinstance(run, TaskRun):
            yield text([{"task": run}])
            return
        async for updates in run.updates():
            yield text(updates)

    def text(updates: list[Members]) -> str:
        if task := updates[0].get("task"):
            updates = [{"task": with_history(task, history_length)}]
        return server_sent(rpc_result(request_id, update) for update in updates)

    return EventStream(texts(), run.cancel if isinstance(run, TaskRun) else lambda: None)


def _refused(method: str) -> RpcError:
    if method.endswith((_PUSH_NOTIFICATIONS, f"{_PUSH_NOTIFICATIONS}s")):
        return RpcError(RpcCode.PUSH_NOTIFICATION_NOT_SUPPORTED, "The agent sends no push notifications")
    if method in _UNSUPPORTED:
        return RpcError(RpcCode.UNSUPPORTED_OPERATION, f"The agent does not support {method}")
    return RpcError(RpcCode.METHOD_NOT_FOUND, "A2A has no such method")
