"""What the commands of the audit log share: which files, and how an unusable argument ends them."""

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, NoReturn

import typer

from agent.commands.terminal import err

Files = Annotated[list[Path] | None, typer.Argument(help="Files of one log, in any order [AUDIT_LOG_FILE].")]


def unusable(problem: str) -> NoReturn:
    """Ends the command with exit status 2: 1 is for findings."""
    err.print(problem, style="red")
    raise typer.Exit(2)


def named_files(files: list[Path] | None, variables: Mapping[str, str]) -> list[Path]:
    """`files`, or that of `AUDIT_LOG_FILE`."""
    if files:
        return files
    if (named := variables.get("AUDIT_LOG_FILE", "").strip()) not in ("", "-"):
        return [Path(named)]
    unusable("name a file, or set AUDIT_LOG_FILE")
