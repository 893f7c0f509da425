"""`idaas-agent up`: the sandbox cloud, the agent and the page in one process, until Ctrl-C."""

import asyncio
import logging
import socket
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.table import Table
from rich.text import Text

from agent.commands.sandbox_file import CONFIG, chosen_file, stop_with_faults
from agent.commands.sandbox_page import PageGrant, sandbox_page_config
from agent.commands.terminal import environment, out, print_error, print_misspelt, settings_or_stop, stop
from agent.settings.variables import Settings
from identity.access_identity import AccessIdentity

if TYPE_CHECKING:
    from sandbox.server import RunningSandbox

_FRONTEND = Path(__file__).resolve().parents[2] / "frontend"


def up(
    access_identity: Annotated[
        AccessIdentity, typer.Option(envvar="ACCESS_IDENTITY", help="Whose rights services are called with.")
    ] = AccessIdentity.MACHINE,
    agent_port: Annotated[int, typer.Option(envvar="AGENT_PORT")] = 9002,
    page_port: Annotated[int, typer.Option(envvar="PAGE_PORT")] = 9001,
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
    page_grant: Annotated[
        PageGrant, typer.Option(envvar="PAGE_GRANT", help="How the page signs in.")
    ] = PageGrant.CODE,
    folder: Annotated[Path, typer.Option(help="Where the sandbox keeps what it makes.")] = Path(".sandbox"),
    config: CONFIG = None,
) -> None:
    """Runs sandbox, agent and page. Open the page, sign in as alice. Ctrl-C stops all."""
    from agent.server.web_server import PortInUseError, listen
    from sandbox.configuration import ConfigurationFaultsError
    from sandbox.listener import PortInUseError as SandboxPortInUseError
    from sandbox.server import SandboxOptions, start_sandbox

    logging.basicConfig(level=logging.ERROR)
    sandbox_file = chosen_file(config)
    try:
        agent_listener = listen("127.0.0.1", agent_port, "the agent", "--agent-port or AGENT_PORT")
        page_listener = listen("127.0.0.1", page_port, "the page", "--page-port or PAGE_PORT")
        agent_port, page_port = agent_listener.getsockname()[1], page_listener.getsockname()[1]
        origins = (f"http://localhost:{page_port}", f"http://127.0.0.1:{page_port}")
        sandbox = start_sandbox(
            SandboxOptions(
                folder=folder,
                idaas_port=idaas_port,
                idaas_plain_port=idaas_plain_port,
                model_studio_port=model_studio_port,
                function_compute_port=function_compute_port,
                page_origins=origins,
                config=sandbox_file,
                variables=environment(),
            )
        )
    except ConfigurationFaultsError as error:
        stop_with_faults(sandbox_file, error)
    except PortInUseError as error:
        stop(error.strerror or str(error))
    except SandboxPortInUseError as error:
        stop(error.strerror or str(error), "idaas-agent up --help lists the options that move ports")
    with sandbox, agent_listener, page_listener:
        variables = {"SHUTDOWN_SECONDS": "3"} | environment() | sandbox.environment
        variables |= {
            "ACCESS_IDENTITY": access_identity.value,
            "AGENT_PORT": str(agent_port),
            "AGENT_PUBLIC_URL": f"http://localhost:{agent_port}",
            "CORS_ALLOWED_ORIGINS": ",".join(origins),
        }
        asyncio.run(_run(variables, sandbox, agent_listener, page_listener, page_grant))
    out.print("stopped")


async def _run(
    variables: Mapping[str, str],
    sandbox: "RunningSandbox",
    agent_listener: socket.socket,
    page_listener: socket.socket,
    page_grant: PageGrant,
) -> None:
    from agent.api.app import create_app
    from agent.composition import Agent
    from agent.middleware.request_log import set_up_logging
    from agent.server.page_server import PageIncompleteError, page_application
    from agent.server.web_server import serve_until_stopped, web_server

    settings = settings_or_stop(variables)
    print_misspelt(variables)
    set_up_logging(logging.ERROR)
    agent = Agent(settings)
    try:
        config = sandbox_page_config(
            sandbox.cloud.addresses,
            page_grant,
            agent_url=settings.agent_public_url or "",
            scope=f"{settings.agent_audience}|{settings.agent_scope}",
        )
        page = page_application(_FRONTEND, config)
    except PageIncompleteError as error:
        stop(str(error))
    servers = {
        agent_listener: web_server(
            create_app(settings, agent),
            shutdown_seconds=settings.shutdown_seconds,
            graceful_shutdown=agent.shutdown,
        ),
        page_listener: web_server(page, lifespan=False),
    }

    async def started() -> None:
        _print_addresses(settings, sandbox, page_listener.getsockname()[1])
        for error in (await agent.readiness.failures()).values():
            if error is not None:
                print_error(error)
                return
        out.print("\n[bold green]ready[/] (Ctrl-C stops all)", markup=True)

    await serve_until_stopped(servers, started)


def _print_addresses(settings: Settings, sandbox: "RunningSandbox", page_port: int) -> None:
    addresses, secrets = sandbox.cloud.addresses, sandbox.cloud.secrets
    configuration = sandbox.cloud.configuration
    table = Table.grid(padding=(0, 3))
    table.add_row("page", Text(f"http://localhost:{page_port}", "bold"))
    table.add_row("agent", f"{settings.agent_public_url}   (OpenAI API: /openai/v1, LangServe: /agent)")
    table.add_row("sandbox", f"IDaaS {addresses.idaas} and {addresses.idaas_plain}")
    table.add_row("", f"Model Studio and MCP {addresses.model_studio}")
    table.add_row("", f"Function Compute {addresses.function_compute}")
    table.add_row("identity", f"{settings.access_identity}: {_WHOSE[settings.access_identity]}")
    table.add_row("sign in", f"alice   {secrets.alice_password}")
    table.add_row("", f"bob     {secrets.bob_password}   (may not read leave)")
    for user in configuration.users:
        table.add_row("", f"{user.name:<7} {user.password}")
    for service in configuration.services:
        table.add_row("echo", f"{service.name:<7} {addresses.echo_url(service.name)}")
    table.add_row("try", "What is the weather in Hangzhou right now?")
    table.add_row("", "Call my enterprise service")
    table.add_row("", "How many days of leave do I have left?")
    table.add_row("terminal", 'idaas-agent chat "What is the weather in Hangzhou right now?"')
    out.print()
    out.print(table)


_WHOSE = {
    AccessIdentity.MACHINE: "services are called with the agent's own rights",
    AccessIdentity.HUMAN: "services are called with the rights of the signed-in user",
}
