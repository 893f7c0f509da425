"""`idaas-agent audit`: verify the audit log, and show it to people."""

import typer

from agent.commands.audit.show import show
from agent.commands.audit.verify import verify

app = typer.Typer(help="The audit log: verify it, show it.", no_args_is_help=True)
app.command()(verify)
app.command()(show)
