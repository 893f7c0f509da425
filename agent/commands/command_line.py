"""The command line. A command is an entry point: it is imported when it is typed, or listed.

A command is a function, as Typer takes it, or a `typer.Typer` with commands of its own. An entry point
`GROUP.NAME` adds a command to those of the group: `audit.receipt` is typed `audit receipt`.
"""

from functools import cache
from importlib.metadata import EntryPoint
from typing import Annotated, Any, Final

import typer
from typer.core import TyperGroup

from agent.commands.help_panels import PANELS, panel_of
from agent.entry_points import installed_entries
from idaas_agent.extras import missing_extra
from identity.errors import ConfigurationError
from tools import VERSION

ENTRY_POINTS: Final = "idaas_agent.commands"
"""The group of entry points by which installed packages add commands."""


@cache
def _entries() -> dict[str, EntryPoint]:
    """The entry points by their names. Of two with one name, that of the agent counts."""
    entries = sorted(installed_entries(ENTRY_POINTS), key=_is_own)
    return {entry.name: entry for entry in entries}


def _is_own(entry: EntryPoint) -> bool:
    return entry.dist is not None and entry.dist.name == "idaas-agent"


def _unusable(entry: EntryPoint, why: str) -> Any:  # noqa: ANN401 - what Typer takes
    """In place of a command that cannot be imported: it says so when it is typed."""
    package = entry.module if entry.dist is None else entry.dist.name

    def unusable(_words: Annotated[list[str] | None, typer.Argument(hidden=True)] = None) -> None:
        from agent.commands.terminal import stop

        stop(f'the command "{entry.name}" of the package {package} cannot be imported: {why}')

    unusable.__doc__ = f"Cannot be imported: {why}."
    return unusable


def _lacks(error: Exception) -> str | None:
    """`it needs idaas-agent[server]`, if this extra is not installed; else `None`."""
    extra = missing_extra(error) if isinstance(error, ImportError) else None
    return extra and f"it needs {extra}"


def _add(parent: typer.Typer, name: str, command: Any) -> None:  # noqa: ANN401 - what Typer takes
    if isinstance(command, typer.Typer):
        parent.add_typer(command, name=name, rich_help_panel=command.rich_help_panel)
    else:
        parent.command(name, rich_help_panel=panel_of(command))(command)


def _command(name: str, entry: EntryPoint) -> Any:  # noqa: ANN401 - what Typer makes
    """The command of an entry point, imported now."""
    parent = typer.Typer(add_completion=False)
    parent.callback()(common)  # without it Typer takes an only command for the group itself
    try:
        command = entry.load()
    except Exception as error:
        lacks = _lacks(error)
        if lacks is None and _is_own(entry):
            raise
        any_words = {"ignore_unknown_options": True}
        unusable = _unusable(entry, lacks or type(error).__name__)
        parent.command(name, context_settings=any_words)(unusable)
    else:
        _add(parent, name, command)
    return typer.main.get_group(parent).commands[name]


class Commands(TyperGroup):
    """The installed commands, by their names."""

    _in_panels: list[str] | None = None
    """The names in the order of the help, while that is printed."""

    def list_commands(self, ctx: Any) -> list[str]:  # noqa: ANN401, ARG002 - Typer's signature
        """The names of the commands, in alphabetical order."""
        return self._in_panels or sorted(name for name in _entries() if "." not in name)

    def format_help(self, ctx: Any, formatter: Any) -> None:  # noqa: ANN401 - Typer's signature
        """Lists the commands by their panels, for which all are imported."""

        def place(name: str) -> int:
            panel = getattr(self.get_command(ctx, name), "rich_help_panel", None)
            return PANELS.index(panel) if panel in PANELS else len(PANELS)

        self._in_panels = sorted(self.list_commands(ctx), key=place)
        try:
            super().format_help(ctx, formatter)
        finally:
            self._in_panels = None

    def get_command(self, ctx: Any, cmd_name: str) -> Any:  # noqa: ANN401 - Typer's signature
        """The command of this name, imported now, with those that others add to it; `None` if there is
        none.
        """
        if cmd_name not in self.list_commands(ctx):
            return None
        command = _command(cmd_name, _entries()[cmd_name])
        if isinstance(command, TyperGroup):
            for name, entry in _entries().items():
                group, _, added = name.partition(".")
                if group == cmd_name and added and added not in command.commands:
                    command.add_command(_command(added, entry))
        return command

    def invoke(self, ctx: Any) -> Any:  # noqa: ANN401 - Typer's signature
        """Runs the command. What it lacks of its settings ends it with the faults, and a missing extra with
        its name.
        """
        has_env_file = any(word.startswith("--env-file") for word in ctx.args)
        try:
            return super().invoke(ctx)
        except ImportError as error:
            from agent.commands.terminal import stop

            lacks = _lacks(error)
            if lacks is None:
                raise
            stop(f"this command cannot run: {lacks}")
        except ConfigurationError as error:
            from agent.commands.terminal import print_sandbox_hint, stop_by

            if not has_env_file:
                print_sandbox_hint(None)
            stop_by(error)


app = typer.Typer(
    cls=Commands,
    no_args_is_help=True,
    pretty_exceptions_enable=False,  # they would print local variables
    context_settings={"help_option_names": ["-h", "--help"]},
    help="An AI agent that never acts without a known identity.",
)


@app.callback(invoke_without_command=True)
def common(
    version: Annotated[bool, typer.Option("--version", help="Print the version.", is_eager=True)] = False,
) -> None:
    """An AI agent that never acts without a known identity."""
    if version:
        typer.echo(VERSION)
        raise typer.Exit
