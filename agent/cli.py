"""The console script `idaas-agent`: imports the command line outside of garbage collection, and runs it."""

import sys

from agent.http.memory import frozen_startup_objects
from idaas_agent.extras import MissingExtraError, named_extra


def main() -> None:
    """The console script. Without what the command line needs, it ends with a sentence, and exit status 1."""
    try:
        with frozen_startup_objects(), named_extra("the command line"):  # a fifth of the time of the imports
            from agent.commands.command_line import app
    except MissingExtraError as error:
        sys.exit(f"idaas-agent: {error}")
    app()
