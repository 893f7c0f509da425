"""A referee: a test suite that others wrote, what the agent does differently, and why.

`referees.toml` has one table for each. Nothing of theirs is in this repository: a lock file names the package
that has it, or the person who runs it names a checkout of the pinned revision.
"""

import json
import subprocess
import tomllib
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from importlib import import_module
from importlib.metadata import distributions, version
from pathlib import Path
from typing import Any, Final

FOLDER: Final = Path(__file__).parent
ROOT: Final = FOLDER.parents[1]
TABLE: Final = FOLDER / "referees.toml"
SKIPPED: Final = "skipped: "
"""How the fault of a case begins that the suite has left out."""


@dataclass(frozen=True, slots=True)
class Case:
    """One case that was run. `fault` is what the agent did against it; empty: it passed."""

    group: str
    name: str
    fault: str = ""

    @property
    def is_skipped(self) -> bool:
        """Whether the suite itself has left it out, by what the agent declares."""
        return self.fault.startswith(SKIPPED)

    def __str__(self) -> str:
        """What the patterns of differences match."""
        return f"{self.group}: {self.name}: {self.fault}"


@dataclass(frozen=True, slots=True)
class Difference:
    """Cases that fail, by a pattern of their texts, and the clause that the project reads differently."""

    cases: str
    why: str
    sometimes: bool = False
    """Whether a suite that makes its cases by chance may have none of them."""

    def covers(self, case: Case) -> bool:
        """Whether this is about `case`."""
        return fnmatchcase(str(case), self.cases)


@dataclass(frozen=True, slots=True)
class Referee:
    """`distribution` is an installed package, or with `revision` a folder with that version of it; `package`
    the `package.json` of one that npm has installed; `repository` and `revision` name a checkout. `module`
    runs it: in `tests/referees`, or with the plug-in that it is about.
    """

    name: str
    title: str
    module: str = ""
    distribution: str = ""
    package: str = ""
    repository: str = ""
    revision: str = ""
    differences: Sequence[Difference] = field(default=())

    @property
    def version(self) -> str:
        """What was run: the version of the package, or the revision."""
        if self.distribution:
            return self.revision or version(self.distribution)
        if self.package:
            described: dict[str, str] = json.loads((ROOT / self.package).read_bytes())
            return described["version"]
        return f"revision {self.revision[:12]}"

    @property
    def run(self) -> Callable[[Path], Iterable[Case]]:
        """Runs all cases of the suite in a folder."""
        module = import_module(self.module or f"tests.referees.{self.name.replace('-', '_')}")
        run: Callable[[Path], Iterable[Case]] = module.run
        return run

    def folder(self, checkout: Path | None) -> Path:
        """Where the suite is. Raises `ValueError` if it is not there, or is another revision."""
        if self.distribution and not self.revision:
            return FOLDER
        if self.distribution:
            return self._unpacked(checkout)
        if self.package:
            if not (ROOT / self.package).is_file():
                raise ValueError(f"{self.name} is not installed: there is no {self.package}")
            return (ROOT / self.package).parent
        wanted = f"a checkout of {self.repository}, revision {self.revision}"
        if checkout is None:
            raise ValueError(
                f"{self.name} needs {wanted}: make referees REFEREE={self.name} REFEREE_DIR=path"
            )
        if (found := _revision(checkout)) != self.revision:
            raise ValueError(f"{self.name} needs {wanted}, found revision {found or 'unknown'} in {checkout}")
        return checkout

    def _unpacked(self, folder: Path | None) -> Path:
        wanted = f"{self.distribution}=={self.revision}"
        install = f"pip install --target path {wanted}, then REFEREE_DIR=path"
        if folder is None:
            raise ValueError(f"{self.name} needs {wanted}: {install}")
        found = {dist.name: dist.version for dist in distributions(path=[str(folder)])}
        if found.get(self.distribution) != self.revision:
            raise ValueError(f"{self.name} needs {wanted}, found {found or 'nothing'} in {folder}: {install}")
        return folder


def read_referees(text: str) -> dict[str, Referee]:
    """The referees of the table, by name."""
    tables = tomllib.loads(text)
    return {name: _referee(name, members) for name, members in tables.items()}


def _referee(name: str, members: dict[str, object]) -> Referee:
    listed = members.pop("differences", [])
    assert isinstance(listed, list)
    differences = [difference for row in listed for difference in _differences(row)]
    return Referee(name=name, differences=differences, **members)  # type: ignore[arg-type]  # as the table has them


def _differences(row: dict[str, Any]) -> Iterable[Difference]:
    """One for each pattern of a row: each must be needed by itself."""
    patterns = row.pop("cases")
    for pattern in [patterns] if isinstance(patterns, str) else patterns:
        yield Difference(pattern, **row)


def _revision(checkout: Path) -> str:
    """The commit of a checkout without local changes."""
    git = ["git", "-C", str(checkout)]
    changed = subprocess.run(
        [*git, "status", "--porcelain", "-uno"], capture_output=True, text=True, check=False
    )
    if changed.returncode or changed.stdout:
        return ""
    return subprocess.run(
        [*git, "rev-parse", "HEAD"], capture_output=True, text=True, check=True
    ).stdout.strip()
