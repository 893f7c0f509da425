"""`idaas-agent sandbox`: the stand-in cloud alone, for an agent that is run in another way."""

import asyncio
import contextlib
import logging
import signal
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from agent.commands.terminal import out, stop

if TYPE_CHECKING:
    from sandbox.server import Installation, SandboxOptions


def sandbox(
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
    page_port: Annotated[int, typer.Option(envvar="PAGE_PORT", help="Where the page is.")] = 9001,
    folder: Annotated[Path, typer.Option(help="Where the sandbox keeps what it makes.")] = Path(".sandbox"),
) -> None:
    """Runs the sandbox cloud; writes agent.env, every variable that an agent needs to use it."""
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
    )
    try:
        asyncio.run(_serve(options))
    except PortInUseError as error:
        stop(error.strerror or str(error), "idaas-agent sandbox --help lists the options that move ports")
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
    addresses, secrets = installation.cloud.addresses, installation.cloud.secrets
    out.print(f"IDaaS                 {addresses.idaas}, for the browser {addresses.idaas_plain}")
    out.print(f"Model Studio and MCP  {addresses.model_studio}")
    out.print(f"Function Compute      {addresses.function_compute}")
    out.print(f"users                 alice {secrets.alice_password}, bob {secrets.bob_password}")
    out.print(f"for an agent          set -a; . {installation.folder / 'agent.env'}; set +a")
    out.print("\n[bold green]ready[/] (Ctrl-C stops it)", markup=True)
