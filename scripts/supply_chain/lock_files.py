"""What the lock files pin: Python's in pip's requirements with hashes, npm's in package-lock.json."""

import base64
import json
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final

from packaging.utils import canonicalize_name

ROOT: Final = Path(__file__).parents[2]
RUNTIME: Final = (
    "requirements.lock",
    "requirements-aegra.lock",
    "deploy/enterprise-service/requirements.lock",
    "frontend/package-lock.json",
)
"""Lock files of what runs in production; of npm's, the packages that are not for development."""
DEVELOPMENT: Final = (
    "requirements-deepagents.lock",
    "requirements-dev.lock",
    "requirements-docs.lock",
    "requirements-injections.lock",
    "requirements-mcp2.lock",
    "tests/front_ends/package-lock.json",
    "tests/front_ends/copilotkit/package-lock.json",
    "tests/mcp_referees/package-lock.json",
)

_PINNED: Final = re.compile(r"([A-Za-z0-9._-]+)(?:\[[^\]]*\])?==([^\s;\\]+)")
_HASH: Final = re.compile(r"--hash=sha256:([0-9a-f]{64})")


@dataclass(frozen=True, slots=True, order=True)
class Package:
    """One pinned version. `ecosystem` is `PyPI` or `npm`, as in OSV."""

    ecosystem: str
    name: str
    version: str
    runtime: bool = True
    hashes: tuple[tuple[str, str], ...] = ()
    """Algorithm and hexadecimal hash of each archive that may be installed."""
    lock_files: tuple[str, ...] = ()
    declared_licence: str | None = None
    """Of a package-lock.json; pip's lock files have none."""

    @property
    def key(self) -> tuple[str, str, str]:
        """What distinguishes packages."""
        return (self.ecosystem, self.name, self.version)


class LockFileError(Exception):
    """A lock file cannot be read, or pins something without a version or hash."""


def packages(root: Path = ROOT) -> list[Package]:
    """Every package that a lock file pins, once, in the order of names. Raises `LockFileError`."""
    found: dict[tuple[str, str, str], Package] = {}
    for file in (*RUNTIME, *DEVELOPMENT):
        for package in _read(root, file):
            known = found.setdefault(package.key, package)
            if known is not package:
                found[package.key] = replace(
                    known,
                    runtime=known.runtime or package.runtime,
                    hashes=tuple(sorted({*known.hashes, *package.hashes})),
                    lock_files=tuple(dict.fromkeys((*known.lock_files, *package.lock_files))),
                )
    return sorted(found.values(), key=lambda package: package.key)


def _read(root: Path, file: str) -> Iterable[Package]:
    runtime = file in RUNTIME
    try:
        text = (root / file).read_text("utf-8")
        if file.endswith(".json"):
            return list(read_package_lock(json.loads(text), file, runtime=runtime))
        return list(read_requirements(text, file, runtime=runtime))
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        fault = f"{file}: {error}"
        raise LockFileError(fault) from error


def read_requirements(text: str, file: str, *, runtime: bool) -> Iterator[Package]:
    """The packages of a file that `pip install --require-hashes` reads. Raises `ValueError`."""
    for line in text.replace("\\\n", " ").splitlines():
        requirement = line.partition("#")[0].strip()
        if not requirement:
            continue
        pinned, hashes = _PINNED.match(requirement), _HASH.findall(requirement)
        if pinned is None or not hashes:
            fault = f"not a version with hashes: {requirement[:60]}"
            raise ValueError(fault)
        yield Package(
            "PyPI",
            canonicalize_name(pinned[1]),
            pinned[2],
            runtime,
            tuple(sorted(("SHA-256", each) for each in hashes)),
            (file,),
        )


def read_package_lock(lock: Mapping[str, Any], file: str, *, runtime: bool) -> Iterator[Package]:
    """The packages of a package-lock.json, version 2 or 3. Raises `ValueError` or `KeyError`."""
    for path, entry in lock["packages"].items():
        if path == "":
            continue
        name = entry.get("name") or path.rpartition("node_modules/")[2]
        algorithm, _, encoded = entry["integrity"].partition("-")
        yield Package(
            "npm",
            name,
            entry["version"],
            runtime and not entry.get("dev", False),
            ((f"SHA-{algorithm.removeprefix('sha')}", base64.b64decode(encoded, validate=True).hex()),),
            (file,),
            entry.get("license"),
        )
