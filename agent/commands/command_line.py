"""The command line. Each command is a file of this folder; slow modules are imported when needed."""

from pathlib import Path
from typing import Annotated

import typer

from agent.commands.accept_tools import accept_tools
from agent.commands.audit import app as audit_app
from agent.commands.chat import chat, token
from agent.commands.doctor.command import doctor
from agent.commands.grants import grants
from agent.commands.package.command import app as package_app
from agent.commands.package.command import trigger_jwks
from agent.commands.policy import app as policy_app
from agent.commands.policy import can
from agent.commands.revoke import revoke, unrevoke
from agent.commands.serve import serve
from agent.commands.smoke import smoke
from tools import VERSION

app = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,  # they would print local variables
    help="An AI agent that never acts without a known identity.",
)
if (Path(__file__).parents[2] / "sandbox").is_dir():  # a deployed agent has none
    from sandbox.commands.new import new
    from sandbox.commands.sandbox import app as sandbox_app
    from sandbox.commands.up import up

    app.command()(new)
    app.command()(up)
    app.add_typer(sandbox_app, name="sandbox")
for command in (serve, token, chat, doctor, smoke, accept_tools, revoke, unrevoke, grants, can, trigger_jwks):
    app.command()(command)
app.add_typer(audit_app, name="audit")
app.add_typer(package_app, name="package")
app.add_typer(policy_app, name="policy")


@app.callback(invoke_without_command=True)
def common(
    version: Annotated[bool, typer.Option("--version", help="Print the version.", is_eager=True)] = False,
) -> None:
    """An AI agent that never acts without a known identity."""
    if version:
        typer.echo(VERSION)
        raise typer.Exit
