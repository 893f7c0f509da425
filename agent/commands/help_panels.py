"""The panels in which `idaas-agent --help` lists commands, by what a person wants to do."""

from collections.abc import Callable
from typing import Any, Final, TypeVar

F = TypeVar("F", bound=Callable[..., Any])

TRY: Final = "Try it"
RUN: Final = "Run and deploy it"
WITHDRAW: Final = "Withdraw and stop"
DECIDE: Final = "Tools, policies and cases"
RECORDS: Final = "Records and persons"
PANELS: Final = (TRY, RUN, WITHDRAW, DECIDE, RECORDS)
"""In their order. Commands without a panel are listed after them."""
_MARK: Final = "__help_panel__"


def listed_in(panel: str) -> Callable[[F], F]:
    """For the function of a command: the panel that lists it. A `typer.Typer` has `rich_help_panel`."""

    def mark(command: F) -> F:
        setattr(command, _MARK, panel)
        return command

    return mark


def panel_of(command: object) -> str | None:
    """The panel that a command's function was marked with."""
    panel = getattr(command, _MARK, None)
    return panel if isinstance(panel, str) else None
