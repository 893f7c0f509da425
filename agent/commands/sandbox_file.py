"""What the commands that use `sandbox.toml` share: the option that names it, and its faults."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, NoReturn

import typer

from agent.commands.terminal import err, stop

if TYPE_CHECKING:
    from sandbox.configuration import ConfigurationFaultsError

_DEFAULT = Path("sandbox.toml")

CONFIG = Annotated[
    Path | None,
    typer.Option(
        "--config", envvar="SANDBOX_CONFIG", help="What is added to the sandbox; sandbox.toml by default."
    ),
]


def chosen_file(config: Path | None, *, new: bool = False) -> Path:
    """The file that `--config` names, which must exist unless `new`; else `sandbox.toml`, there or not."""
    if config is not None and not new and not config.is_file():
        stop(f"there is no file {str(config)!r}", "idaas-agent sandbox user add and the like make one")
    return config or _DEFAULT


def stop_with_faults(file: Path | None, error: "ConfigurationFaultsError") -> NoReturn:
    """Prints every fault with the file's name; ends the command with exit status 1."""
    for fault in error.faults:
        err.print(f"{file or _DEFAULT}: {fault}", style="red", markup=False)
    err.print("sandbox/README.md shows a whole sandbox.toml", markup=False)
    raise typer.Exit(1)
