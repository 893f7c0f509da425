"""LangServe's routes, with validation and the start of a stream's run before LangServe.

LangServe validates its input late and cannot give a stream a status. A dependency does both before it: an
invalid body is 422, and a stream's run has begun, or failed with its own status, before the first byte. A
later failure is an `error` event with the agent's error body (`stream`). The `config` that a client sends has
no effect.
"""

import asyncio
import warnings
from collections.abc import AsyncIterator

from fastapi import APIRouter, Depends, Request
from langserve import add_routes

from agent.api.disconnect import disconnected, while_connected
from agent.api.langserve.input import MAX_BATCH, ChatInput, read_inputs, validate_input
from agent.api.langserve.runnable import REQUEST_RUNS, AgentMessage, AgentRunnable, RequestRuns
from agent.api.langserve.stream import LangServeRoute
from agent.http.authentication import caller_of
from agent.http.rate_limit import counted_request
from agent.runs.runs import Runs


def langserve_routes(runs: Runs, *, max_messages: int, batch_at_once: int = 0) -> APIRouter:
    """The routes. All need the caller that the authentication middleware verified.

    `batch_at_once` inputs of a batch run at the same time; 0 for all.
    """

    async def prepare(request: Request) -> AsyncIterator[None]:
        caller = caller_of(request.scope)
        if request.method != "POST":
            yield
            return
        action = request.url.path.rpartition("/")[2]
        counted = counted_request(request.scope)
        most = min(MAX_BATCH, (counted and counted.limit) or MAX_BATCH)
        name, inputs = read_inputs(await request.body(), batch=action == "batch", most=most)
        if counted is not None and action == "batch":
            await counted.recount(len(inputs))
        conversations = [validate_input(each, name, max_messages) for each in inputs]
        requested = RequestRuns(caller)
        if action.startswith("stream"):
            run = runs.start(conversations[0], caller, streaming=True)
            await while_connected(run, run.first(), request.receive)
            requested = RequestRuns(caller, run, action == "stream_log", [run])
        REQUEST_RUNS.set(requested)
        watch = asyncio.create_task(disconnected(request.receive))
        watch.add_done_callback(lambda _: requested.cancel())
        try:
            yield
        finally:
            watch.cancel()

    router = APIRouter(prefix="/agent", route_class=LangServeRoute)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        add_routes(
            router,
            AgentRunnable(runs, batch_at_once),
            input_type=ChatInput,
            output_type=AgentMessage,
            playground_type="chat",
            enable_feedback_endpoint=False,
            enable_public_trace_link_endpoint=False,
            # `config_hashes` decompresses a part of the path without a limit.
            disabled_endpoints=["token_feedback", "config_hashes"],  # type: ignore[list-item]  # the first is without effect here
            dependencies=[Depends(prepare)],
        )
    return router
