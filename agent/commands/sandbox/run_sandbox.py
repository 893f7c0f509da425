"""`idaas-agent sandbox`: the stand-in cloud alone, for an agent that is started separately.

Its subcommands, which add to `sandbox.toml`, are in `additions`.
"""

import asyncio
import contextlib
import logging
import signal
from typing import TYPE_CHECKING, Annotated

import typer

from agent.commands.options import with_options
from agent.commands.sandbox.additions import add_commands
from agent.commands.sandbox.run_options import SandboxRunOptions
from agent.commands.sandbox.sandbox_file import stop_with_faults
from agent.commands.terminal import environment, out, stop

if TYPE_CHECKING:
    from sandbox.server.server import Installation, SandboxOptions


app = typer.Typer(help="The sandbox cloud: run it, or add users, services, keys and grants to it.")
add_commands(app)


@app.callback(invoke_without_command=True)
@with_options(SandboxRunOptions)
def sandbox(
    context: typer.Context,
    host: Annotated[str, typer.Option(help="Address to listen on.")] = "127.0.0.1",
    *,
    options: SandboxRunOptions,
) -> None:
    """Runs the sandbox cloud; writes agent.env with every variable that an agent needs to use it."""
    if context.invoked_subcommand is not None:
        return
    from sandbox.configuration.configuration import ConfigurationFaultsError
    from sandbox.server.listener import PortInUseError

    logging.basicConfig(level=logging.ERROR)
    try:
        asyncio.run(_serve(options.sandbox_options(environment(), host)))
    except PortInUseError as error:
        stop(error.strerror or str(error), "idaas-agent sandbox --help lists the options that move ports")
    except ConfigurationFaultsError as error:
        stop_with_faults(options.config, error)
    out.print("stopped")


async def _serve(options: "SandboxOptions") -> None:
    from sandbox.server.server import serve

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
    out.print(f"authentication        {installation.authn}")
    out.print(f"for an agent          set -a; . {installation.folder / 'agent.env'}; set +a")
    out.print("\n[bold green]ready[/] (Ctrl-C stops it)", markup=True)
