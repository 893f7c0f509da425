"""The option that names `sandbox.toml`, and how its faults are printed."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, NoReturn

import typer

from agent.commands.terminal import err, stop

if TYPE_CHECKING:
    from sandbox.configuration.configuration import ConfigurationFaultsError

_DEFAULT = Path("sandbox.toml")

CONFIG = Annotated[
    Path | None,
    typer.Option(
        "--config",
        envvar="SANDBOX_CONFIG",
        help="File with additions to the sandbox; sandbox.toml by default.",
    ),
]


def chosen_file(config: Path | None, *, new: bool = False) -> Path:
    """The file that `--config` names, which must exist unless `new`;

    else `sandbox.toml`, if it exists or not.
    """
    if config is not None and not new and not config.is_file():
        stop(f"there is no file {str(config)!r}", "idaas-agent sandbox user add creates one")
    return config or _DEFAULT


def stop_with_faults(file: Path | None, error: "ConfigurationFaultsError") -> NoReturn:
    """Prints every fault with the file's name; ends the command with exit status 1."""
    for fault in error.faults:
        err.print(f"{file or _DEFAULT}: {fault}", style="red", markup=False)
    err.print("sandbox/README.md shows a whole sandbox.toml", markup=False)
    raise typer.Exit(1)
