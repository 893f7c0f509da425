"""The sandbox that runs with the files of this checkout, for `make aegra` and `make studio`."""

import os
from pathlib import Path

from identity.settings.env_file import read_env_file
from sandbox.server.installation import FolderInUseError, hold_folder

FOLDER = Path(os.environ.get("SANDBOX_FOLDER") or Path(__file__).resolve().parents[1] / ".sandbox")


def sandbox_environment() -> dict[str, str]:
    """The variables of an agent that uses it; empty if none runs."""
    if not FOLDER.is_dir():
        return {}
    try:
        os.close(hold_folder(FOLDER))
    except FolderInUseError:
        return read_env_file(FOLDER / "agent.env")
    return {}
