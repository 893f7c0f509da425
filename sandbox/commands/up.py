"""`idaas-agent up`: the sandbox cloud, the agent and the page in one process, until Ctrl-C."""

import dataclasses
import logging
import os
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.table import Table
from rich.text import Text

from agent.commands.help_panels import TRY, listed_in
from agent.commands.terminal import (
    DEFAULT_SANDBOX_URL,
    ENV_FILE,
    doctor_command,
    emptied_variables,
    environment,
    err,
    export_for_sdks,
    out,
    own_command,
    print_error,
    print_misspelt,
    settings_or_stop,
    stop,
    stop_by,
)
from agent.settings.settings import Settings
from idaas_agent.extras import require_extra
from identity.errors import ConfigurationError
from identity.principal import AccessIdentity
from sandbox.commands.own_model import own_model
from sandbox.commands.sandbox_options import (
    PageGrant,
    SandboxRunOptions,
    chosen_file,
    sandbox_page_config,
    stop_with_faults,
    with_options,
)

if TYPE_CHECKING:
    from agent.composition.agent import Agent
    from sandbox.server.server import RunningSandbox

_AGENT_PORT = 9002
_FRONTEND = Path(__file__).resolve().parents[2] / "frontend"
_ROLE_VARIABLES = ("ALIBABA_CLOUD_", "FC_", "ECS_METADATA_")
"""Variables of the machine's real account, which are not for the sandbox."""


@with_options(SandboxRunOptions)
@listed_in(TRY)
def up(
    access_identity: Annotated[
        AccessIdentity | None,
        typer.Option(
            envvar="ACCESS_IDENTITY",
            help="Whose rights services are called with: Machine, if not set.",
            case_sensitive=False,
        ),
    ] = None,
    agent_port: Annotated[int, typer.Option(envvar="AGENT_PORT", help="Port of the agent.")] = _AGENT_PORT,
    page_grant: Annotated[
        PageGrant, typer.Option(envvar="PAGE_GRANT", help="How the page signs in.")
    ] = PageGrant.CODE,
    env_file: ENV_FILE = None,
    *,
    options: SandboxRunOptions,
) -> None:
    """Runs the sandbox, the agent and the page. Open the page and sign in as alice. Ctrl-C stops all."""
    from agent.commands.startup import metrics_server, run, serve_agent
    from agent.http.web_server import PortInUseError, listen, web_server
    from agent.operations.log_setup import set_up_logging
    from sandbox.agent_files.agent_environment import variables_of_callers
    from sandbox.commands.company import company_variables
    from sandbox.commands.page_server import PageIncompleteError, page_application
    from sandbox.configuration.configuration import ConfigurationFaultsError
    from sandbox.server.installation import FolderInUseError, hold_folder
    from sandbox.server.listener import PortInUseError as SandboxPortInUseError
    from sandbox.server.server import start_sandbox

    require_extra("server", "idaas-agent up")

    async def ready(agent: "Agent") -> None:
        _print_addresses(settings, sandbox, options.page_port, doctor)
        if company:
            _print_rules(options.folder / "company")
        for error in (await agent.readiness.failures()).values():
            if error is not None:
                print_error(error)
                return
        out.print("\n[bold green]ready[/] (Ctrl-C stops all)", markup=True)

    logging.basicConfig(level=logging.ERROR)
    chosen_file(options.config)  # stops before a port is taken
    given = environment(env_file)
    doctor = doctor_command(options.folder / "agent.env")
    try:
        if options.folder.is_dir():  # another `up` has its ports too, but the folder is the reason
            os.close(hold_folder(options.folder))
        agent_listener = listen("127.0.0.1", agent_port, "the agent", "--agent-port or AGENT_PORT")
        page_listener = listen("127.0.0.1", options.page_port, "the page", "--page-port or PAGE_PORT")
        options = dataclasses.replace(options, page_port=page_listener.getsockname()[1])
        with agent_listener, page_listener, start_sandbox(options.sandbox_options(given)) as sandbox:
            agent_port = agent_listener.getsockname()[1]
            sandbox.cloud.user_events_url = f"http://localhost:{agent_port}/events/idaas"
            own = {n: v for n, v in given.items() if not n.startswith(_ROLE_VARIABLES)}
            company = company_variables(own, options.folder, sandbox.cloud.addresses)
            callers = {n: v for n, v in own.items() if n in variables_of_callers(sandbox.cloud)}
            variables = {"SHUTDOWN_SECONDS": "3", "LOG_LEVEL": "error"} | own | company
            model = own_model(own, emptied_variables(), sandbox.environment)
            variables |= sandbox.environment | callers | dict(model.variables)
            variables |= {
                "ACCESS_IDENTITY": access_identity or given.get("ACCESS_IDENTITY") or AccessIdentity.MACHINE,
                "AGENT_PORT": str(agent_port),
                "AGENT_PUBLIC_URL": f"http://localhost:{agent_port}",
                "CORS_ALLOWED_ORIGINS": ",".join(options.page_origins()),
            }
            settings = settings_or_stop(variables)
            export_for_sdks(variables)
            print_misspelt(variables)
            if model.note is not None:
                err.print(model.note, style="yellow")
            set_up_logging(settings.log_level, settings.log_format)
            scope = f"{settings.agent_audience}|{settings.agent_scope}"
            url = settings.agent_public_url or ""
            config = sandbox_page_config(sandbox.cloud.addresses, page_grant, agent_url=url, scope=scope)
            others = {page_listener: web_server(page_application(_FRONTEND, config), lifespan=False)}
            outlets = metrics_server(settings)
            run(serve_agent(settings, agent_listener, others=others, ready=ready, outlets=outlets))
    except ConfigurationFaultsError as error:
        stop_with_faults(options.config, error)
    except (PageIncompleteError, PortInUseError) as error:
        stop(error.strerror or str(error))
    except (SandboxPortInUseError, FolderInUseError) as error:
        stop(error.strerror or str(error), "idaas-agent up --help has options for ports and files")
    except ConfigurationError as error:
        stop_by(error)
    out.print("stopped")


def _print_addresses(settings: Settings, sandbox: "RunningSandbox", page_port: int, doctor: str) -> None:
    from sandbox.commands.sign_ins import sign_ins

    addresses = sandbox.cloud.addresses
    configuration = sandbox.cloud.configuration
    table = Table.grid(padding=(0, 3))
    table.add_row("page", Text(f"http://localhost:{page_port}", "bold"))
    first, *others = sign_ins(sandbox.cloud.secrets, configuration)
    table.add_row("sign in", first)
    for line in others:
        table.add_row("", line)
    table.add_row("try", _QUESTION)
    table.add_row("", "Call my enterprise service")
    table.add_row("", "How many days of leave do I have left?")
    table.add_row("", "Apply for three days of leave from Monday   (the page asks for your approval)")
    table.add_row("", 'call maps_weather with {"city": "Beijing"}   (any tool, also your own)')
    table.add_row("identity", f"{settings.access_identity}: {_WHOSE[settings.access_identity]}")
    table.add_row("agent", f"{settings.agent_public_url}   (OpenAI API: /openai/v1, LangServe: /agent)")
    table.add_row("sandbox", f"IDaaS {addresses.idaas} and {addresses.idaas_plain}")
    table.add_row("", f"Model Studio and MCP {addresses.model_studio}")
    table.add_row("", f"Function Compute {addresses.function_compute}")
    table.add_row("authn", f"the agent authenticates to IDaaS by {sandbox.authn}")
    for service in configuration.services:
        table.add_row("echo", f"{service.name:<7} {addresses.echo_url(service.name)}")
    out.print()
    out.print(table)
    agent = ""
    if settings.agent_port != _AGENT_PORT:
        agent = f" --url {settings.agent_public_url}"
    cloud = ""
    if addresses.idaas_plain != DEFAULT_SANDBOX_URL:
        cloud = f" --sandbox-url {addresses.idaas_plain}"
    # Not in the table, which would break long lines.
    for client in configuration.clients:
        out.print(f"job        {own_command()} token --client {client.client_id}{cloud}")
    out.print(f'terminal   {own_command()} chat{agent}{cloud} "{_QUESTION}"')
    out.print(f"           {doctor}")


def _print_rules(company: Path) -> None:
    """Where the rules are, and what decides their cases."""
    out.print(f"rules      {company / 'policy.cedar'}   (change them: the next call is decided by them)")
    out.print(f"           {own_command()} policy test --env-file {company / 'agent.env'}")


_QUESTION = "What is the weather in Hangzhou right now?"
_WHOSE = {
    AccessIdentity.MACHINE: "with the agent's rights; the leave service always with the user's (Human)",
    AccessIdentity.HUMAN: "every call with the rights of the signed-in user",
}
