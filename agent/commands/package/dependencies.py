"""Installs the locked dependencies for another platform: Linux x86_64 and the deployed version of Python."""

import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from agent.commands.package.errors import PackagingError

_PLATFORMS: Final = ("manylinux_2_28_x86_64", "manylinux_2_17_x86_64", "manylinux2014_x86_64")
"""These fit the glibc of the platform's Debian images (2.28 and newer)."""
_MAX_OUTPUT: Final = 2000


def install_dependencies(
    locks: Sequence[Path], folder: Path, *, python: str, wheels: Path | None = None
) -> None:
    """Installs what `locks` pin into `folder`, checked by its hashes; only wheels, nothing is compiled.

    `python` is a version such as `3.12`. Paths in the lock files are relative to the folder of the last one.
    With `wheels`, a folder, nothing is downloaded. Raises `PackagingError` with the end of the installer's
    output.
    """
    command = [sys.executable, "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
    command += ["--require-hashes", "--target", str(folder.resolve()), "--no-compile"]
    command += [word for lock in locks for word in ("--requirement", str(lock.resolve()))]
    command += ["--no-deps", "--only-binary=:all:", "--implementation", "cp", "--python-version", python]
    command += [word for platform in _PLATFORMS for word in ("--platform", platform)]
    if wheels is not None:
        command += ["--no-index", "--find-links", str(wheels.resolve())]
    result = subprocess.run(  # noqa: S603 - fixed command
        command, cwd=locks[-1].parent, capture_output=True, text=True, check=False
    )
    if result.returncode != 0:
        raise PackagingError(
            [f"the dependencies cannot be installed: {result.stderr.strip()[-_MAX_OUTPUT:]}"]
        )
