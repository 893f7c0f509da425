"""Commands, and the variables that each needs: `tests/agent/commands/test_needed_variables.py` runs them.

A plug-in has the rows of its commands in `plugins/NAME/tests/every_command.py`: `ROWS`, by what is typed.
"""

import os
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path

from typer.testing import CliRunner

from agent.commands.command_line import app
from tests.clock import same_clock
from tests.every_surface import PLUGINS

CONFIGURATION = "CLOUD_IDAAS_CONFIG_PATH"
"""The issuer and the client's id among others."""
AUTHORITIES = "SSL_CERT_FILE"
"""Of the sandbox, for commands that send requests."""
AGENT = (CONFIGURATION, "IDAAS_CLIENT_SECRET", "AGENT_AUDIENCE", "AGENT_SCOPE", "LLM_API_KEY_IDENTIFIER")
"""What no agent starts without."""


@dataclass(frozen=True)
class Row:
    """How a command is typed after its name, the variables that it needs, and how it ends with them.

    In `arguments`, `{port}` is a port that is taken.
    """

    arguments: str = ""
    variables: tuple[str, ...] = ()
    others: tuple[str, ...] = ()
    """Variables of the sandbox's places, without which the command needs the internet."""
    status: int = 0
    says: str = ""


def rows_of_plugins() -> dict[str, Row]:
    """The rows of the commands of all plug-ins."""
    rows: dict[str, Row] = {}
    for file in sorted(PLUGINS.glob("*/tests/every_command.py")):
        plugin = file.parent.parent.name
        rows |= import_module(f"plugins.{plugin}.tests.every_command").ROWS
    return rows


def typed(words: str, folder: Path, variables: dict[str, str]) -> tuple[int, str]:
    """Types the command with these variables alone: its exit status, and what it prints."""
    environment = dict.fromkeys(os.environ) | same_clock() | variables
    environment |= {"COLUMNS": "500", "HOME": str(folder)}
    result = CliRunner().invoke(app, words.split(), env=environment)
    assert result.exception is None or isinstance(result.exception, SystemExit), result.output
    return result.exit_code, result.output
