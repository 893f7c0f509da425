"""`idaas-agent serve`: the agent alone, configured by the environment. This is production."""

import contextlib
import logging
import os
import socket
from collections.abc import Sequence
from multiprocessing.connection import Connection
from typing import TYPE_CHECKING, Annotated

import typer

from agent.commands.help_panels import RUN, listed_in
from agent.commands.terminal import ENV_FILE, environment, export_for_sdks, settings_or_stop, stop, stop_by
from agent.settings.settings import Settings, read_settings
from agent.settings.variable_names import misspelt_variables
from idaas_agent.extras import require_extra
from identity.errors import ConfigurationError

if TYPE_CHECKING:
    from agent.operations.metrics.publishing import MetricsOutlet

_LOG = logging.getLogger("idaas_agent.serve")


@listed_in(RUN)
def serve(
    host: Annotated[str | None, typer.Option(help="Address to listen on. \\[env var: AGENT_HOST]")] = None,
    port: Annotated[int | None, typer.Option(help="Port to listen on. \\[env var: AGENT_PORT]")] = None,
    workers: Annotated[
        int, typer.Option(min=1, max=64, help="Number of processes; each has its own caches.")
    ] = 1,
    env_file: ENV_FILE = None,
) -> None:
    """Runs the agent alone, configured by the environment (docs/configuration.md)."""
    from agent.commands.startup import metrics_server
    from agent.http.web_server import PortInUseError, listen
    from agent.http.workers import Workers
    from agent.operations.log_setup import set_up_logging
    from agent.operations.metrics.worker_metrics import published_sums

    require_extra("server", "idaas-agent serve")
    variables = environment(env_file)
    if host is not None:
        variables["AGENT_HOST"] = host
    if port is not None:
        variables["AGENT_PORT"] = str(port)
    settings = settings_or_stop(variables, env_file)
    export_for_sdks(variables)
    set_up_logging(settings.log_level, settings.log_format)
    for warning in misspelt_variables(variables):
        _LOG.warning("%s", warning)
    try:
        listener = listen(settings.agent_host, settings.agent_port, "the agent", "--port or AGENT_PORT")
        outlets = metrics_server(settings)
    except PortInUseError as error:
        stop(error.strerror or str(error))
    with listener, contextlib.ExitStack() as stack:
        _LOG.info("listening on %s, port %d", *listener.getsockname()[:2])
        if workers == 1:
            _serve(settings, listener, outlets)
            return
        os.environ.update(variables)  # workers are new processes that read it for themselves
        link = stack.enter_context(published_sums(outlets[0])) if outlets else None
        raise typer.Exit(Workers(workers, listener, serve_on, link=link).run())


def serve_on(listener: socket.socket, link: Connection | None = None) -> None:
    """Runs the agent on a socket, configured by this process's environment, until SIGTERM.

    Reports its metrics over `link`.
    """
    from agent.operations.log_setup import set_up_logging
    from agent.operations.metrics.worker_metrics import WorkerReports

    set_up_logging()
    settings = read_settings(os.environ)
    set_up_logging(settings.log_level, settings.log_format)
    outlets = [] if link is None else [WorkerReports(link)]
    _serve(settings, listener, outlets)


def _serve(settings: Settings, listener: socket.socket, outlets: "Sequence[MetricsOutlet]") -> None:
    from agent.commands.startup import run, serve_agent
    from agent.http.web_server import raise_open_files_limit

    raise_open_files_limit()
    try:
        run(serve_agent(settings, listener, outlets=outlets))
    except ConfigurationError as error:
        stop_by(error)
