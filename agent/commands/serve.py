"""`idaas-agent serve`: the agent alone, configured by the environment. This is production."""

import asyncio
import logging
import os
import socket
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from agent.commands.terminal import ENV_FILE_HELP, environment, settings_or_stop, stop
from agent.server.startup import Starting
from agent.settings.variable_names import misspelt_variables
from agent.settings.variables import Settings, read_settings

if TYPE_CHECKING:
    from agent.api.app import StagedApp

_LOG = logging.getLogger("idaas_agent.serve")


def serve(
    host: Annotated[str | None, typer.Option(help="Address to listen on [AGENT_HOST].")] = None,
    port: Annotated[int | None, typer.Option(help="Port to listen on [AGENT_PORT].")] = None,
    workers: Annotated[int, typer.Option(min=1, max=64, help="Processes; each has caches of its own.")] = 1,
    env_file: Annotated[Path | None, typer.Option(help=ENV_FILE_HELP)] = None,
) -> None:
    """Runs the agent, configured by the environment."""
    from agent.middleware.request_log import set_up_logging
    from agent.server.web_server import PortInUseError, listen
    from agent.server.workers import Workers

    variables = environment(env_file)
    if host is not None:
        variables["AGENT_HOST"] = host
    if port is not None:
        variables["AGENT_PORT"] = str(port)
    settings = settings_or_stop(variables)
    set_up_logging()
    for warning in misspelt_variables(variables):
        _LOG.warning("%s", warning)
    try:
        listener = listen(settings.agent_host, settings.agent_port, "the agent", "--port or AGENT_PORT")
    except PortInUseError as error:
        stop(error.strerror or str(error))
    with listener:
        _LOG.info("listening on %s, port %d", *listener.getsockname()[:2])
        if workers == 1:
            _serve(settings, listener)
        else:
            os.environ.update(variables)  # workers are new processes that read it for themselves
            raise typer.Exit(Workers(workers, listener, serve_on).run())


def serve_on(listener: socket.socket) -> None:
    """Runs the agent on a socket, configured by this process's environment, until SIGTERM."""
    from agent.middleware.request_log import set_up_logging

    set_up_logging()
    _serve(read_settings(os.environ), listener)


def _serve(settings: Settings, listener: socket.socket) -> None:
    from agent.server.garbage_collection import freeze_startup_objects, pause_gc
    from agent.server.web_server import serve_until_stopped, web_server

    pause_gc()

    def compose() -> "StagedApp":
        from agent.api.app import StagedApp

        composed = StagedApp(settings)
        freeze_startup_objects()
        return composed

    starting = Starting(compose, late=_is_late, failed=lambda: server.stop())
    server = web_server(starting, shutdown_seconds=settings.shutdown_seconds, graceful_shutdown=starting)
    with asyncio.Runner(loop_factory=server.config.get_loop_factory()) as runner:
        runner.run(serve_until_stopped({listener: server}))
    if starting.failure is not None:
        raise starting.failure


def _is_late(path: str) -> bool:
    return path.startswith("/agent") or path == "/openapi.json"
