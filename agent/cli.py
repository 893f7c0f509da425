"""The command line. Each command is a file in `agent/commands`; slow modules are imported when needed."""

import importlib.metadata
from typing import Annotated

import typer

from agent.commands.access_token import token
from agent.commands.chat import chat
from agent.commands.doctor import doctor
from agent.commands.revoke import revoke, unrevoke
from agent.commands.run_sandbox import app as sandbox_app
from agent.commands.serve import serve
from agent.commands.up import up

app = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,  # they would print local variables
    help="An AI agent that never acts without a known identity.",
)
for command in (up, serve, token, chat, doctor, revoke, unrevoke):
    app.command()(command)
app.add_typer(sandbox_app, name="sandbox")


@app.callback(invoke_without_command=True)
def common(
    version: Annotated[bool, typer.Option("--version", help="Print the version.", is_eager=True)] = False,
) -> None:
    """An AI agent that never acts without a known identity."""
    if version:
        typer.echo(importlib.metadata.version("idaas-agent"))
        raise typer.Exit


def main() -> None:
    """The console script."""
    app()
