"""What commands share: two consoles, a way to stop with a message, and the environment."""

import os
from collections.abc import Mapping
from pathlib import Path
from typing import NoReturn

import typer
from dotenv import dotenv_values
from rich.console import Console

from agent.settings import Settings, read_settings
from identity.errors import AgentError, ConfigurationError

out = Console(highlight=False, soft_wrap=True)
err = Console(stderr=True, highlight=False, soft_wrap=True)


def stop(message: str, remedy: str | None = None) -> NoReturn:
    """Ends the command with exit status 1."""
    err.print(message, style="red", markup=False)
    if remedy:
        err.print(remedy, markup=False)
    raise typer.Exit(1)


def environment(env_file: Path | None = None) -> dict[str, str]:
    """The process's environment; what `env_file` says (`.sandbox/agent.env`) comes first."""
    added: Mapping[str, str | None] = {}
    if env_file is not None:
        if not env_file.is_file():
            stop(f"there is no file {str(env_file)!r}", "idaas-agent sandbox writes .sandbox/agent.env")
        added = dotenv_values(env_file, interpolate=False)
    return {**os.environ, **{name: value for name, value in added.items() if value is not None}}


def settings_or_stop(variables: Mapping[str, str]) -> Settings:
    """The settings; prints every fault and stops if there are any."""
    try:
        return read_settings(variables)
    except ConfigurationError as error:
        print_error(error)
        raise typer.Exit(1) from None


def print_error(error: AgentError) -> None:
    """Symptom, what happened, and the remedy."""
    err.print(f"{error.row.symptom} ({error.code})", style="bold red", markup=False)
    for fault in error.faults if isinstance(error, ConfigurationError) else (error.detail,):
        err.print(f"  {fault}", markup=False)
    err.print(f"remedy: {error.row.remedy}", markup=False)
