"""The operator's part of an installed tree: what `deploy/container/install.sh` adds to the agent."""

import shutil
from pathlib import Path
from typing import Final

from agent.commands.package.carried import TREE, Configuration, carried
from agent.commands.package.errors import PackagingError

VARIABLES: Final = "agent.env"


def package_tree(configuration: Configuration, folder: Path) -> None:
    """Writes the own files and `agent.env`, their variables, into `folder`, in place of an earlier call's.

    None of the files contains a secret. Raises `PackagingError` with every fault before anything is written.
    """
    deployment = carried(configuration, TREE)
    faults = list(deployment.faults)
    faults += [
        f"{name} must not contain a line break"
        for name, value in deployment.variables.items()
        if "\n" in value
    ]
    if folder.exists() and not (folder / VARIABLES).is_file():
        faults.append(f"{folder} exists, and is not of an earlier call")
    if faults:
        raise PackagingError(faults)
    shutil.rmtree(folder, ignore_errors=True)
    text = "".join(f"{name}={value}\n" for name, value in deployment.variables.items())
    for name, content in {**deployment.files, **deployment.packages, VARIABLES: text.encode()}.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
