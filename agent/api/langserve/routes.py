"""LangServe's routes, with validation and the start of a stream's run before LangServe.

LangServe validates its input late and cannot give a stream a status. A dependency does both before it: an
invalid body is 422, and a stream's run has begun, or failed with its own status, before the first byte. A
later failure is an `error` event with the agent's error body. The `config` that a client sends has
no effect.
"""

import asyncio
import contextlib
import json
import logging
import warnings
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Coroutine
from functools import cache
from typing import Any, Final, cast

from fastapi import APIRouter, Depends, Request
from fastapi.routing import APIRoute
from langserve import add_routes
from sse_starlette import EventSourceResponse
from starlette.responses import Response

from agent.api.disconnect import ClientDisconnectedError, disconnected, while_connected
from agent.api.langserve.input import MAX_BATCH, ChatInput, read_inputs, validate_input
from agent.api.langserve.runnable import REQUEST_RUNS, AgentMessage, AgentRunnable, RequestRuns
from agent.errors.error_response import RequestError, internal_error_body, reported_body, status_of
from agent.http.authentication import caller_of
from agent.http.rate_limit import counted_request
from agent.runs.runs import Runs
from agent.settings.settings import Settings
from identity.errors import AgentError

_LOG: Final = logging.getLogger("idaas_agent.langserve")


class LangServeRoute(APIRoute):
    """A route of LangServe whose stream always ends well-formed."""

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        """FastAPI's handler, with the events of a stream replaced."""
        handler = super().get_route_handler()

        async def handle(request: Request) -> Response:
            try:
                response = await handler(request)
            except (OSError, ValueError):  # the playground opens every path: folders, long names, "%00"
                if "file_path" not in request.path_params:
                    raise
                raise RequestError(None, "there is no such file", code="not_found", status=404) from None
            if isinstance(response, EventSourceResponse):
                events = cast(AsyncGenerator[Any], response.body_iterator)
                response.body_iterator = _with_error_event(events)
            return response

        return handle


async def _with_error_event(events: AsyncGenerator[Any]) -> AsyncGenerator[Any]:
    """LangServe's events. Its own `error` event has no detail and is dropped; the raised error follows it."""
    try:
        async for event in events:
            if not isinstance(event, dict) or event.get("event") != "error":
                yield event
    except AgentError as error:
        yield _error_event(reported_body(error), status_of(error))
    except ClientDisconnectedError:
        return
    except Exception as error:  # noqa: BLE001 - the text may contain a secret
        _LOG.error("stream failed unexpectedly: %s", type(error).__name__)
        yield _error_event(internal_error_body(), 500)
    finally:
        with contextlib.suppress(RuntimeError):  # LangServe's generator also yields when it is closed
            await events.aclose()


def _error_event(body: dict[str, Any], status: int) -> dict[str, str]:
    """An error event. LangServe's client builds its exception from `status_code` and `message`."""
    message = f"{body['error']['message']} ({body['error']['code']})"
    data = {"status_code": status, "message": message, **body}
    return {"event": "error", "data": json.dumps(data, ensure_ascii=False)}


async def _prepare(request: Request) -> AsyncIterator[None]:
    caller = caller_of(request.scope)
    if request.method != "POST":
        yield
        return
    runs: Runs = request.app.state.runs
    settings: Settings = request.app.state.settings
    action = request.url.path.rpartition("/")[2]
    counted = counted_request(request.scope)
    most = min(MAX_BATCH, (counted and counted.limit) or MAX_BATCH)
    name, inputs = read_inputs(await request.body(), batch=action == "batch", most=most)
    if counted is not None and action == "batch":
        await counted.recount(len(inputs))
    conversations = [validate_input(each, name, settings.max_messages) for each in inputs]
    requested = RequestRuns(runs, caller, batch_at_once=settings.max_concurrent_runs)
    if action.startswith("stream"):
        run = runs.start(conversations[0], caller, streaming=True)
        await while_connected(run.first(), request.receive, run.leave)
        requested = RequestRuns(runs, caller, run, action == "stream_log", [run])
    REQUEST_RUNS.set(requested)
    watch = asyncio.create_task(disconnected(request.receive))
    watch.add_done_callback(lambda _: requested.cancel())
    try:
        yield
    finally:
        watch.cancel()


@cache
def langserve_routes() -> APIRouter:
    """The routes, of every application: LangServe computes its schemas once. All need the caller that the
    authentication middleware verified, and the application's `runs` and `settings` in its state.
    """
    router = APIRouter(prefix="/agent", route_class=LangServeRoute)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        add_routes(
            router,
            AgentRunnable(),
            input_type=ChatInput,
            output_type=AgentMessage,
            playground_type="chat",
            enable_feedback_endpoint=False,
            enable_public_trace_link_endpoint=False,
            # `config_hashes` decompresses a part of the path without a limit.
            disabled_endpoints=["token_feedback", "config_hashes"],  # type: ignore[list-item]  # the first is without effect here
            dependencies=[Depends(_prepare)],
        )
    return router
