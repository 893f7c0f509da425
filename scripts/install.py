"""Installs a lock file by pip and counts its packages meanwhile: pip shows either nothing or everything.

python scripts/install.py requirements.lock [--python PATH] [--no-deps]
"""

import argparse
import subprocess
import sys
from pathlib import Path


def main() -> int:
    """The exit status of pip; its output is shown if it failed."""
    parser = argparse.ArgumentParser()
    parser.add_argument("lock", type=Path)
    parser.add_argument("--python", default=sys.executable)
    parser.add_argument("--no-deps", action="store_true", help="what the lock leaves out is meant")
    given = parser.parse_args()
    count = sum("==" in line for line in given.lock.read_text().splitlines() if not line.startswith("#"))
    pip = [sys.executable, "-m", "pip", "--python", given.python, "install", "--disable-pip-version-check"]
    # Python compiles what it imports: compiling all of it takes longer than the rest of an installation.
    command = [*pip, "--progress-bar", "off", "--no-compile", "--require-hashes", "-r", str(given.lock)]
    command += ["--no-deps"] * given.no_deps
    output, found, shown = [], 0, -1
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True) as process:  # noqa: S603 - pip
        assert process.stdout is not None  # noqa: S101 - a pipe
        for line in process.stdout:
            output.append(line)
            found += line.startswith(("Collecting", "Requirement already satisfied"))
            if line.startswith("Installing collected packages"):
                report(f"  {found} packages are there; installing them …", last=True)
            elif sys.stdout.isatty() or found // 25 > shown:
                shown = found // 25
                report(f"  {found} of {count} packages", last=not sys.stdout.isatty())
    if process.returncode:
        sys.stderr.writelines(output)
    return process.returncode


def report(text: str, *, last: bool) -> None:
    """On a terminal, in the place of the last report."""
    begin = "\r\x1b[K" if sys.stdout.isatty() else ""
    sys.stdout.write(f"{begin}{text}" + ("\n" if last else ""))
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main())
