"""Responses to one request of JSON-RPC, in the wire form of its version."""

from collections.abc import AsyncIterator, Iterable

from starlette.responses import JSONResponse, Response

from agent.api.a2a.members import Members, rpc_result, server_sent
from agent.api.a2a.rpc_error import RpcError, rpc_error_response
from agent.api.a2a.rpc_request import RequestId
from agent.api.a2a.task import with_history
from agent.api.a2a.task_run import TaskRun
from agent.api.a2a.version import Version
from agent.api.event_stream import EventStream


class Reply:
    """Responses to one request."""

    def __init__(self, request_id: RequestId, version: Version) -> None:
        self._id = request_id
        self._version = version

    def of(self, task: Members, *, one_kind: bool = False) -> Response:
        """One response. With `one_kind` the method has no other result than a task."""
        return JSONResponse(rpc_result(self._id, self._version.result({"task": task}, one_kind=one_kind)))

    def of_list(self, page: Members) -> Response:
        """A page of tasks, which version 1.0 alone has."""
        return JSONResponse(rpc_result(self._id, page))

    def stream_of(self, run: TaskRun | Members, history_length: int | None = None) -> Response:
        """Each update as a response of its own. The first is the task."""
        if not isinstance(run, TaskRun):
            return EventStream(self._task(with_history(run, history_length)), lambda: None)
        return EventStream(self._updates(run, history_length), run.cancel)

    async def _task(self, task: Members) -> AsyncIterator[str]:
        yield self._text([{"task": task}])

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
