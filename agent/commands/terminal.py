"""The parts that commands share: two consoles, exit with a message, the environment, and times as typed."""

import logging
import os
import re
import shutil
import sys
from collections.abc import Callable, Iterable, Mapping
from datetime import datetime
from pathlib import Path
from typing import Annotated, Final, Literal, NoReturn, TypeAlias

import typer
from rich.cells import cell_len, chop_cells
from rich.console import Console, ConsoleOptions, RenderableType
from rich.segment import Segment

from agent.errors.error_table import for_operators
from agent.settings.settings import TOKEN_VARIABLE, Settings, read_command_settings, read_settings
from agent.settings.variable_names import misspelt_variables
from identity.errors import AgentError, ConfigurationError
from identity.printable import printable
from identity.settings.env_file import read_env_file, with_env_file
from identity.settings.quotation_marks import without_quotation_marks

DEFAULT_SANDBOX_URL: Final = "http://localhost:9400"
SANDBOX_URL = Annotated[
    str,
    typer.Option("--sandbox-url", envvar="SANDBOX_URL", help="Address of the running sandbox, plain HTTP."),
]
EnvFiles: TypeAlias = list[Path] | None
"""Of two files with one variable, the later one counts."""
ENV_FILE = Annotated[
    EnvFiles,
    typer.Option(
        "--env-file",
        help="A file of variables, such as .sandbox/agent.env. The environment takes precedence."
        " Repeatable: of two files the later one counts.",
    ),
]
_SANDBOX_FILE: Final = Path(".sandbox/agent.env")
_AGO: Final = re.compile(r"([0-9]{1,6})([smhd])")
_GOES_ON: Final = "  │ "
"""Begins what does not fit on the row of its line."""
_LEAST_WIDTH: Final = 8
"""Characters of a row: in a narrower terminal all is shown, and its own wraps are not marked."""
_UNITS: Final = {"s": 1, "m": 60, "h": 3600, "d": 86_400}


class Terminal(Console):
    """A console that shows text literally: without markup, emoji codes or control characters.

    Only styles that the code passes become control sequences, and with NO_COLOR none does.
    """

    def __init__(self, *, stderr: bool = False) -> None:
        colors: Literal["auto"] | None = None if os.environ.get("NO_COLOR") else "auto"
        super().__init__(
            stderr=stderr, color_system=colors, highlight=False, soft_wrap=True, markup=False, emoji=False
        )

    def render(self, renderable: RenderableType, options: ConsoleOptions | None = None) -> Iterable[Segment]:
        """Filters all output before styles become control sequences."""
        for segment in super().render(renderable, options):
            if segment.control:
                yield segment
            else:
                yield Segment(printable(segment.text), segment.style)

    def print_lines(self, lines: Iterable[str]) -> None:
        """Prints each of `lines`. What a terminal would wrap is marked, so that it is no line of its own."""
        width = max(_LEAST_WIDTH, self.width - len(_GOES_ON))
        for line in lines:
            text = printable(line).replace("\n", " ")
            first, *others = _rows(text, width) if self.is_terminal else [text]
            self.print(first)
            for row in others:
                self.print(f"{_GOES_ON}{row}")


def _rows(text: str, width: int) -> list[str]:
    """`text` in rows of `width` cells at most, broken behind spaces where there are any. No character of it
    is lost.
    """
    rows = []
    while cell_len(text) > width:
        row = chop_cells(text[: width + 1], width)[0]
        end = row.rfind(" ") + 1 or len(row)
        rows.append(text[:end])
        text = text[end:]
    return [*rows, text]


out = Terminal()
err = Terminal(stderr=True)


def stop(message: str, remedy: str | None = None) -> NoReturn:
    """Ends the command with exit status 1. `message` may have several lines."""
    err.print(message, style="red")
    if remedy:
        err.print(remedy)
    raise typer.Exit(1)


def own_command() -> str:
    """How this shell starts the program: `idaas-agent` if it is on the path, else its file."""
    if shutil.which("idaas-agent") or not sys.argv[0].endswith("idaas-agent"):
        return "idaas-agent"
    return os.path.relpath(sys.argv[0])


def doctor_command(env_file: Path) -> str:
    """The doctor for `env_file` in this shell, whose own SSL_CERT_FILE would come before the file's."""
    without_own_authorities = "env -u SSL_CERT_FILE " if os.environ.get("SSL_CERT_FILE") else ""
    return f"{without_own_authorities}{own_command()} doctor --env-file {env_file}"


def variables_in(env_files: EnvFiles) -> dict[str, str]:
    """The variables of the files. Ends the command at a file that cannot be read, with its path."""
    in_files: dict[str, str] = {}
    for file in env_files or ():
        if not file.is_file():
            stop(f"there is no file {str(file)!r}", "idaas-agent sandbox writes .sandbox/agent.env")
        try:
            in_files |= read_env_file(file)
        except ValueError as error:
            stop(f"the file {str(file)!r} {error}")
    return in_files


def environment(env_files: EnvFiles = None) -> dict[str, str]:
    """The process's environment and the variables of `env_files`; a non-empty variable of the process wins.
    Quotation marks around a value are taken off.
    """
    return without_quotation_marks(with_env_file(os.environ, variables_in(env_files)))


def users_token() -> str:
    """The user's access token of the process's environment; empty if there is none."""
    return without_quotation_marks(os.environ).get(TOKEN_VARIABLE, "").strip()


def for_printing_command(variables: Mapping[str, str]) -> dict[str, str]:
    """`variables` for a command that prints its result, and no log: audit lines go to standard error."""
    logging.basicConfig(level=logging.CRITICAL)
    printed = variables.get("AUDIT_LOG_FILE", "").strip() == "-"
    return {**variables, "AUDIT_LOG_FILE": "/dev/stderr"} if printed else dict(variables)


def export_for_sdks(variables: Mapping[str, str]) -> None:
    """Puts into the process's environment what SDKs read: OpenTelemetry's variables, and SSL_CERT_FILE."""
    read = ("OTEL_", "SSL_CERT_FILE")
    os.environ.update({name: value for name, value in variables.items() if value and name.startswith(read)})


def emptied_variables() -> set[str]:
    """The variables that are set to nothing in the process's environment."""
    return {name for name, value in os.environ.items() if not value.strip()}


def print_misspelt(variables: Mapping[str, str]) -> None:
    """Warns of each variable that looks like a misspelt one of the agent."""
    for warning in misspelt_variables(variables):
        err.print(f"warning: {warning}", style="yellow")


def print_overridden(env_files: EnvFiles) -> None:
    """Names each variable of a file that the process's environment replaces."""
    for file in env_files or ():
        for name, value in variables_in([file]).items():
            if os.environ.get(name, "").strip() and os.environ[name] != value:
                note = f"note: {name} of the environment replaces that of {file}"
                err.print(f"{note}, which is used after: unset {name}", style="yellow")


def print_sandbox_hint(env_files: EnvFiles) -> None:
    """Names the option that uses the sandbox of this folder, if there is one and it was not given."""
    if not env_files and _SANDBOX_FILE.is_file():
        err.print(f"for the sandbox of this folder add --env-file {_SANDBOX_FILE}")


def settings_or_stop(
    variables: Mapping[str, str],
    env_files: EnvFiles = None,
    *,
    read: Callable[[Mapping[str, str]], Settings] = read_settings,
) -> Settings:
    """The settings that `read` makes of `variables`; prints every fault and stops if there are any."""
    try:
        return read(variables)
    except ConfigurationError as error:
        print_error(error)
        print_misspelt(variables)
        print_sandbox_hint(env_files)
        raise typer.Exit(1) from None


def operator_settings(env_files: EnvFiles, **others: str) -> Settings:
    """The settings for a command that prints its result, and needs those that it uses. `others` are variables
    of its options. Reading a setting that is missing or invalid raises `ConfigurationError`, which ends the
    command with its faults (`command_line.Commands`).
    """
    variables = for_printing_command(environment(env_files) | others)
    return settings_or_stop(variables, env_files, read=read_command_settings)


def stop_by(error: AgentError) -> NoReturn:
    """Prints symptom, faults or detail, and remedy. Ends the process with exit status 1."""
    print_error(error)
    raise SystemExit(1) from None


def print_error(error: AgentError) -> None:
    """Prints symptom, faults or detail, and remedy."""
    row = for_operators(error).row
    err.print(f"{row.symptom} ({error.code})", style="bold red")
    faults = error.faults if isinstance(error, ConfigurationError) else (error.detail,)
    for fault in faults:
        err.print(f"  {fault}")
    err.print(f"remedy: {row.remedy}")


def seconds_of(text: str, now: float) -> float:
    """Unix seconds, of RFC 3339 with a time zone, of unix seconds, of `now`, or of `90m`: that long ago.

    Raises `ValueError`, with what is missing.
    """
    text = text.strip()
    if text == "now":
        return now
    if (ago := _AGO.fullmatch(text)) is not None:
        return now - int(ago[1]) * _UNITS[ago[2]]
    try:
        return float(text)
    except ValueError:
        pass
    try:
        parsed = datetime.fromisoformat(text)
    except ValueError:
        raise ValueError("must be a time: 2026-11-25T09:00:00Z, unix seconds, 90m (ago) or now") from None
    if parsed.tzinfo is None:
        raise ValueError("must name its time zone, such as 2026-11-25T09:00:00Z")
    return parsed.timestamp()
