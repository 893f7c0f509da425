"""Removes the guards behind SECURITY.md's promises, one at a time, and lists those that no test misses.

`make mutants` reads `tests/security/guards.toml`, and the `tests/guards.toml` of each plug-in. Each guard is
taken out of a temporary copy of the tree, in which its tests must then fail; before that, all of them must
pass. Arguments select the guards whose promise, file or words contain one of them. Exit status 1 if a guard
survives, 2 if the tests cannot show it.
"""

import os
import shutil
import subprocess
import sys
import tempfile
import tomllib
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from queue import SimpleQueue
from typing import Final

ROOT: Final = Path(__file__).parent.parent
TABLE: Final = "tests/security/guards.toml"
TABLES_OF_PLUGINS: Final = "plugins/*/tests/guards.toml"
_LEFT_OUT: Final = (
    *(".git", ".venv*", "node_modules", ".*_cache", ".sandbox", ".hypothesis", ".langgraph_api", "build"),
)
_INSTALLED: Final = (".venv*", "frontend/node_modules", "tests/front_ends/node_modules")
_PASSED, _FAILED = 0, 1
_BROKEN: Final = ("NameError", "SyntaxError", "UnboundLocalError")
_SECONDS: Final = 60
"""For one test: without its guard, it may wait for ever."""


@dataclass(frozen=True, slots=True)
class Guard:
    """`code`, which is in `file` once, holds `promise`: with `without` in its place, one of `tests` fails."""

    promise: str
    guard: str
    file: str
    code: str
    without: str
    tests: tuple[str, ...]

    def __str__(self) -> str:
        return f"{self.promise}: {self.guard} ({self.file})"

    @property
    def removal(self) -> tuple[str, str, str]:
        """What is changed, and where."""
        return self.file, self.code, self.without

    def removed(self, source: str) -> str:
        """`source` without the guard. Raises `ValueError` if it is not there exactly once."""
        if (found := source.count(self.code)) != 1:
            raise ValueError(f"{self}: its code is in the file {found} times, not once")
        return source.replace(self.code, self.without)


def read_guards(table: str) -> list[Guard]:
    """The guards of the table: a list for each promise."""
    return [
        Guard(promise=promise, **{**entry, "tests": tuple(entry["tests"])})
        for promise, entries in tomllib.loads(table).items()
        for entry in entries
    ]


def all_guards(root: Path) -> list[Guard]:
    """The guards of the core and of the plug-ins."""
    tables = [root / TABLE, *sorted(root.glob(TABLES_OF_PLUGINS))]
    return [guard for table in tables for guard in read_guards(table.read_text(encoding="utf-8"))]


class Copy:
    """A copy of the tree in `folder`, with the libraries of this interpreter."""

    def __init__(self, root: Path, folder: Path) -> None:
        self._folder = folder
        shutil.copytree(root, folder, ignore=shutil.ignore_patterns(*_LEFT_OUT), symlinks=True)
        for installed in (path for pattern in _INSTALLED for path in root.glob(pattern)):
            (folder / installed.relative_to(root)).symlink_to(installed)

    def run(self, tests: Sequence[str], *options: str) -> tuple[int, str]:
        """The exit status of pytest, and what it prints."""
        command = [sys.executable, "-m", "pytest", "-q", "-x", "-p", "no:cacheprovider", *options, *tests]
        # Processes that tests start import the copy too, not the tree that is installed.
        environment = os.environ | {"PYTHONPATH": str(self._folder), "PYTHONDONTWRITEBYTECODE": ""}
        ran = subprocess.run(  # noqa: S603 - pytest
            command, cwd=self._folder, env=environment, capture_output=True, text=True, check=False
        )
        return ran.returncode, ran.stdout + ran.stderr

    def outcome_without(self, guard: Guard) -> str:
        """`caught`, `SURVIVED`, or why the tests show neither."""
        file = self._folder / guard.file
        source = file.read_text(encoding="utf-8")
        try:
            with _replaced(file, guard.removed(source)):
                status, output = self.run(guard.tests, f"--timeout={_SECONDS}")
        except ValueError as error:
            return str(error)
        if status == _PASSED:
            return "SURVIVED"
        if status != _FAILED or any(f"{error}: " in output for error in _BROKEN):
            return f"the tests did not run without it (pytest's exit status is {status})\n{output[-3000:]}"
        return "caught"


@contextmanager
def _replaced(file: Path, text: str) -> Iterator[None]:
    original = file.with_name(f"{file.name}.original")
    file.rename(original)  # with its time, so that bytecode is not mistaken for that of the other
    file.write_text(text, encoding="utf-8")
    try:
        yield
    finally:
        original.replace(file)


def outcomes(root: Path, guards: Sequence[Guard], copies: int) -> Iterator[tuple[Guard, str]]:
    """The outcome of each guard, in their order; `copies` are tested at the same time."""
    with tempfile.TemporaryDirectory(prefix="mutants-") as folder, ThreadPoolExecutor(copies) as threads:
        free: SimpleQueue[Copy] = SimpleQueue()
        for number in range(copies):
            free.put(Copy(root, Path(folder) / str(number)))

        def outcome(guard: Guard) -> str:
            copy = free.get()
            try:
                return copy.outcome_without(guard)
            finally:
                free.put(copy)

        yield from zip(guards, threads.map(outcome, guards), strict=True)


def failure_with_all(root: Path, guards: Sequence[Guard], copies: int) -> str | None:
    """What pytest prints if a test fails while every guard is there."""
    tests = sorted({test for guard in guards for test in guard.tests})
    with tempfile.TemporaryDirectory(prefix="mutants-") as folder:
        status, output = Copy(root, Path(folder) / "0").run(tests, "-n", str(copies))
    return None if status == _PASSED else output


def main(arguments: Sequence[str], root: Path = ROOT) -> int:
    """Prints each outcome as it is known, and the survivors. Returns the exit status."""
    guards = [
        guard for guard in all_guards(root) if not arguments or any(word in str(guard) for word in arguments)
    ]
    copies = os.cpu_count() or 1
    if not guards or (failure := failure_with_all(root, guards, copies)):
        sys.stdout.write(failure if guards else "no guard has such a name\n")
        return 2
    found: list[str] = []
    for guard, outcome in outcomes(root, guards, copies):
        found.append(outcome)
        sys.stdout.write(f"{outcome.partition(chr(10))[0]:8} {guard}\n")
        sys.stdout.flush()
    others = [(guard, each) for guard, each in zip(guards, found, strict=True) if each != "caught"]
    for guard, each in others:
        sys.stdout.write(f"\n{guard}\n{each}\n")
    sys.stdout.write(f"\n{len(guards)} guards were removed, {found.count('SURVIVED')} survived\n")
    if any(each != "SURVIVED" for _, each in others):
        return 2
    return 1 if others else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
