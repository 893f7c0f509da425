"""Starts the agent: it listens at once, and `/health` responds while its parts are imported and composed.

Importing and composing takes a second or two. It is done in a thread; requests that arrive meanwhile wait.
"""

import asyncio
import logging
import socket
from collections.abc import Awaitable, Callable, Coroutine, Mapping, Sequence
from functools import partial
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Final

from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Receive, Scope, Send
from uvicorn.loops.auto import auto_loop_factory

from agent.background import running
from agent.errors.error_response import RequestError, error_response
from agent.http.memory import collect_when_idle, frozen_startup_objects, trim_periodically
from agent.http.response_headers import response_headers
from agent.http.web_server import WebServer, listen, serve_until_stopped, web_server
from agent.settings.settings import Settings

if TYPE_CHECKING:
    from fastapi import FastAPI

    from agent.composition.agent import Agent
    from agent.operations.metrics.publishing import MetricsOutlet

_LOG: Final = logging.getLogger("idaas_agent.startup")
_METRICS_LOG: Final = logging.getLogger("idaas_agent.metrics")


def metrics_server(settings: Settings) -> "list[MetricsOutlet]":
    """The server that listens on METRICS_PORT, if it is set. Raises `PortInUseError`."""
    if settings.metrics_port is None:
        return []
    from agent.operations.metrics.metrics_server import MetricsServer

    listener = listen(settings.metrics_host, settings.metrics_port, "metrics", "METRICS_PORT")
    _METRICS_LOG.info("metrics on %s, port %d", *listener.getsockname()[:2])
    return [MetricsServer(listener)]


def run(serving: Coroutine[Any, Any, None]) -> None:
    """Runs `serve_agent` in an event loop of its own."""
    with asyncio.Runner(loop_factory=auto_loop_factory()) as runner:
        runner.run(serving)


async def serve_agent(
    settings: Settings,
    listener: socket.socket,
    *,
    others: Mapping[socket.socket, WebServer] = MappingProxyType({}),
    ready: "Callable[[Agent], Awaitable[None]] | None" = None,
    compose: "Callable[[Settings], tuple[Agent, FastAPI]] | None" = None,
    outlets: "Sequence[MetricsOutlet]" = (),
) -> None:
    """Serves the agent on `listener`, and `others` beside it, until SIGINT or SIGTERM.

    Calls `ready` once the agent serves. `outlets` publish its metrics beside those of the settings. `compose`
    replaces `compose_agent`; it is called in a thread, and what it raises is raised here.
    """
    app = StartingApp()
    server = web_server(
        app,
        shutdown_seconds=settings.shutdown_seconds,
        shutdown_delay=settings.shutdown_delay_seconds,
        lifespan=False,
    )
    serving = asyncio.create_task(serve_until_stopped({listener: server, **others}))
    try:
        agent, composed = await asyncio.to_thread(compose or compose_agent, settings)
        # What is measured of the graph takes longer to import than the server to listen.
        from agent.operations.metrics.otlp_metrics import otlp_outlets
        from agent.operations.metrics.publishing import published

        otlp = otlp_outlets(settings, partial(agent.measures.process.export_failures.add, "metrics"))
        async with (
            published(agent.measures, [*outlets, *otlp]),
            composed.router.lifespan_context(composed),
            running(collect_when_idle(lambda: agent.runs.is_idle), trim_periodically()),
        ):
            server.graceful_shutdown = agent.shutdown
            app.serve(composed)
            _LOG.info("startup complete")
            if ready is not None:
                await ready(agent)
            await serving
    finally:
        app.fail()
        server.stop()
        await serving


def compose_agent(settings: Settings) -> "tuple[Agent, FastAPI]":
    """Imports and makes the agent and its application, outside of garbage collection."""
    with frozen_startup_objects():
        from agent.api.app import create_app
        from agent.composition.agent import Agent

        agent = Agent(settings)
        return agent, create_app(settings, agent)


class StartingApp:
    """An ASGI application: `/health` and `/ready` respond before `serve`, all other requests wait for it.

    It has no lifespan.
    """

    def __init__(self) -> None:
        self._app: ASGIApp | None = None
        self._decided = asyncio.Event()

    def serve(self, app: ASGIApp) -> None:
        """From now on `app` responds, also to the requests that wait."""
        self._app = app
        self._decided.set()

    def fail(self) -> None:
        """Refuses all requests, waiting ones included, unless `serve` was called."""
        self._decided.set()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Passes the request on, or responds that the agent is starting or could not start."""
        app = self._app or response_headers(self._without_app)
        await app(scope, receive, send)

    async def _without_app(self, scope: Scope, receive: Receive, send: Send) -> None:
        response: ASGIApp | None = _early(scope, failed=self._decided.is_set())
        if response is None:
            await self._decided.wait()
            failed = RequestError(None, "the agent could not be started", code="start_failed", status=503)
            response = self._app or error_response(failed)
        await response(scope, receive, send)


def _early(scope: Scope, *, failed: bool) -> JSONResponse | None:
    if scope["method"] not in ("GET", "HEAD"):
        return None
    if scope["path"] == "/health":
        return JSONResponse({"status": "ok"})
    if scope["path"] == "/ready":
        code = "start_failed" if failed else "starting"
        body = {"status": "not_ready", "checks": {"start": {"ok": False, "code": code}}}
        return JSONResponse(body, 503, {"Retry-After": "1"})
    return None
