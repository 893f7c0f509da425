"""`idaas-agent serve`: the agent alone, configured by the environment. This is production."""

import os
from pathlib import Path
from typing import Annotated

import typer
import uvicorn

from agent.commands.terminal import environment, settings_or_stop
from agent.web_server import listen, server_options


def serve(
    host: Annotated[str | None, typer.Option(help="Address to listen on [AGENT_HOST].")] = None,
    port: Annotated[int | None, typer.Option(help="Port to listen on [AGENT_PORT].")] = None,
    workers: Annotated[int, typer.Option(min=1, max=64, help="Processes; each has caches of its own.")] = 1,
    env_file: Annotated[
        Path | None, typer.Option(help="Variables to add, such as .sandbox/agent.env.")
    ] = None,
) -> None:
    """Runs the agent, configured by the environment."""
    variables = environment(env_file)
    if host is not None:
        variables["AGENT_HOST"] = host
    if port is not None:
        variables["AGENT_PORT"] = str(port)
    settings = settings_or_stop(variables)
    # Workers are new processes that read the environment for themselves.
    os.environ.update(variables)
    listen(settings.agent_host, settings.agent_port, "the agent", "--port or AGENT_PORT").close()
    uvicorn.run(
        "agent.app:production_app",
        factory=True,
        host=settings.agent_host,
        port=settings.agent_port,
        workers=workers,
        **server_options(settings.shutdown_seconds),
    )
