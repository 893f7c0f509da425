"""Writes `requirements.lock` beside the built wheel: the packages of the server, and the wheel, with hashes.

python scripts/wheel_lock.py dist                                # after `pip wheel`: what `make wheel` does
cd dist && pip install --require-hashes -r requirements.lock     # where it is installed
"""

import hashlib
import sys
from pathlib import Path
from typing import Final

ROOT: Final = Path(__file__).resolve().parent.parent
_EXTRAS: Final = "[server,policy]"
"""What `requirements.lock` of the repository pins."""


def locked_wheel(wheel: Path) -> str:
    """The requirement of `wheel` in the folder of the lock file, by its path and its hash."""
    digest = hashlib.sha256(wheel.read_bytes()).hexdigest()
    return f"./{wheel.name}{_EXTRAS} --hash=sha256:{digest}\n"


def main(folder: Path) -> None:
    """Writes the file for the one wheel in `folder`. Raises `ValueError` if there is not exactly one."""
    (wheel,) = folder.glob("idaas_agent-*.whl")
    packages = (ROOT / "requirements.lock").read_text("utf-8")
    (folder / "requirements.lock").write_text(packages + locked_wheel(wheel), "utf-8")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
