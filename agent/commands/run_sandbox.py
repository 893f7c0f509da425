"""`idaas-agent sandbox`: the stand-in cloud alone, for an agent that is started separately.

Its subcommands, which add to `sandbox.toml`, are in `sandbox_additions`.
"""

import asyncio
import contextlib
import logging
import signal
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from agent.commands.sandbox_additions import add_commands
from agent.commands.sandbox_file import CONFIG, chosen_file, stop_with_faults
from agent.commands.terminal import environment, out, stop

if TYPE_CHECKING:
    from sandbox.server import Installation, SandboxOptions


app = typer.Typer(help="The sandbox cloud: run it, or add users, services, keys and grants to it.")
add_commands(app)


@app.callback(invoke_without_command=True)
def sandbox(
    context: typer.Context,
    host: Annotated[str, typer.Option(help="Address to listen on.")] = "127.0.0.1",
    idaas_port: Annotated[int, typer.Option(envvar="SANDBOX_IDAAS_PORT", help="IDaaS, TLS.")] = 9443,
    idaas_plain_port: Annotated[
        int, typer.Option(envvar="SANDBOX_IDAAS_PLAIN_PORT", help="IDaaS for the browser.")
    ] = 9400,
    model_studio_port: Annotated[
        int, typer.Option(envvar="SANDBOX_MODEL_STUDIO_PORT", help="Model Studio and MCP, TLS.")
    ] = 9444,
    function_compute_port: Annotated[
        int, typer.Option(envvar="SANDBOX_FUNCTION_COMPUTE_PORT", help="Function Compute, TLS.")
    ] = 9445,
    page_port: Annotated[int, typer.Option(envvar="PAGE_PORT", help="Port of the page.")] = 9001,
    folder: Annotated[Path, typer.Option(help="The folder of the sandbox's files.")] = Path(".sandbox"),
    config: CONFIG = None,
) -> None:
    """Runs the sandbox cloud; writes agent.env with every variable that an agent needs to use it."""
    if context.invoked_subcommand is not None:
        return
    from sandbox.configuration import ConfigurationFaultsError
    from sandbox.listener import PortInUseError
    from sandbox.server import SandboxOptions

    logging.basicConfig(level=logging.ERROR)
    options = SandboxOptions(
        folder=folder,
        host=host,
        idaas_port=idaas_port,
        idaas_plain_port=idaas_plain_port,
        model_studio_port=model_studio_port,
        function_compute_port=function_compute_port,
        page_origins=(f"http://localhost:{page_port}", f"http://127.0.0.1:{page_port}"),
        config=chosen_file(config),
        variables=environment(),
    )
    try:
        asyncio.run(_serve(options))
    except PortInUseError as error:
        stop(error.strerror or str(error), "idaas-agent sandbox --help lists the options that move ports")
    except ConfigurationFaultsError as error:
        stop_with_faults(options.config, error)
    out.print("stopped")


async def _serve(options: "SandboxOptions") -> None:
    from sandbox.server import serve

    task = asyncio.current_task()
    assert task is not None  # noqa: S101 - a coroutine that runs has a task
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, task.cancel)
    with contextlib.suppress(asyncio.CancelledError):
        await serve(options, _announce)


def _announce(installation: "Installation") -> None:
    addresses, users = installation.cloud.addresses, installation.cloud.directory.users.values()
    out.print(f"IDaaS                 {addresses.idaas}, for the browser {addresses.idaas_plain}")
    out.print(f"Model Studio and MCP  {addresses.model_studio}")
    out.print(f"Function Compute      {addresses.function_compute}")
    out.print(f"users                 {', '.join(f'{user.name} {user.password}' for user in users)}")
    for service in installation.cloud.configuration.services:
        out.print(f"echo service          {service.name} {addresses.echo_url(service.name)}")
    out.print(f"for an agent          set -a; . {installation.folder / 'agent.env'}; set +a")
    out.print("\n[bold green]ready[/] (Ctrl-C stops it)", markup=True)
