"""A database of vulnerabilities in the OSV format (version 1.7): its entries, and whom they concern."""

import json
import zipfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from packaging.utils import canonicalize_name

from scripts.supply_chain.lock_files import Package
from scripts.supply_chain.version_order import version_key

ECOSYSTEMS: Final = ("PyPI", "npm")


class DatabaseError(Exception):
    """The database cannot be read, or has no entry for an ecosystem."""


@dataclass(frozen=True, slots=True)
class Vulnerability:
    """An entry that concerns a package."""

    id: str
    aliases: tuple[str, ...]
    package: Package
    summary: str
    fixed: tuple[str, ...]
    """Versions that fix it, as the entry names them."""


class Database:
    """The entries for PyPI and npm, by package."""

    def __init__(self) -> None:
        self._affected: dict[tuple[str, str], list[tuple[Mapping[str, Any], Mapping[str, Any]]]] = {}
        self.entries = 0

    @classmethod
    def read(cls, paths: Sequence[Path]) -> "Database":
        """Of files and folders: JSON (an entry or a list), and ZIP archives of JSON, as they are published.

        Raises `DatabaseError`, also if there is no entry for one of the ecosystems: packages of it would pass
        unchecked.
        """
        database = cls()
        for path in paths:
            for name, text in _texts(path):
                try:
                    database.add(json.loads(text))
                except (ValueError, RecursionError, KeyError, TypeError, AttributeError) as error:
                    fault = f"{name} is not in the OSV format: {error!r}"
                    raise DatabaseError(fault) from error
        for ecosystem in ECOSYSTEMS:
            if not any(found == ecosystem for found, _ in database._affected):
                fault = f"the database has no entry for {ecosystem}"
                raise DatabaseError(fault)
        return database

    def add(self, content: Any) -> None:  # noqa: ANN401 - any JSON
        """An entry, or a list of them. Withdrawn ones are left out."""
        if isinstance(content, list):
            for entry in content:
                self.add(entry)
            return
        if not isinstance(content["id"], str):
            raise TypeError("an id must be text")
        if content.get("withdrawn") is not None:
            return
        self.entries += 1
        for affected in content.get("affected") or ():
            named = affected.get("package") or {}
            ecosystem = str(named.get("ecosystem", "")).partition(":")[0]
            if ecosystem in ECOSYSTEMS:
                name = _name(ecosystem, named["name"])
                self._affected.setdefault((ecosystem, name), []).append((content, affected))

    def concerning(self, package: Package) -> list[Vulnerability]:
        """The vulnerabilities of `package`, in the order of their ids."""
        key = (package.ecosystem, _name(package.ecosystem, package.name))
        found: dict[str, Vulnerability] = {}
        for entry, affected in self._affected.get(key, ()):
            if is_affected(package.ecosystem, package.version, affected):
                known = found.get(entry["id"])
                fixed = {*_fixed(affected), *(known.fixed if known else ())}
                found[entry["id"]] = Vulnerability(
                    entry["id"],
                    tuple(entry.get("aliases") or ()),
                    package,
                    _on_a_line(str(entry.get("summary") or entry.get("details") or "")),
                    tuple(sorted(fixed)),
                )
        return [found[name] for name in sorted(found)]


def is_affected(ecosystem: str, version: str, affected: Mapping[str, Any]) -> bool:
    """Whether `version` is in the list or in a range of `affected` (an `affected` object of OSV).

    A range that names a version without an order contains every version, so that nothing is safe by mistake.
    Ranges of Git commits are left out.
    """
    if any(_is_same(ecosystem, version, each) for each in affected.get("versions") or ()):
        return True
    ranges = [each for each in affected.get("ranges") or () if each.get("type") in ("ECOSYSTEM", "SEMVER")]
    return any(_in_range(ecosystem, version, each.get("events") or ()) for each in ranges)


def _in_range(ecosystem: str, version: str, events: Sequence[Mapping[str, str]]) -> bool:
    """The algorithm of the OSV format, "Evaluation"."""
    begins: Any = None
    inside = False
    try:
        own = version_key(ecosystem, version)
        ordered = []
        for event in events:
            for kind, text in event.items():
                if kind == "introduced" and text == "0":
                    inside = True
                elif kind in ("introduced", "fixed", "last_affected"):
                    ordered.append((version_key(ecosystem, text), kind))
                elif kind == "limit" and text != "*" and own >= version_key(ecosystem, text):
                    return False
        for begins, kind in sorted(ordered, key=lambda each: each[0]):
            if kind == "introduced" and own >= begins:
                inside = True
            elif (kind == "fixed" and own >= begins) or (kind == "last_affected" and own > begins):
                inside = False
    except ValueError:
        return True
    return inside


def _on_a_line(text: str) -> str:
    return "".join(each if each.isprintable() else " " for each in " ".join(text.split()))[:120]


def _is_same(ecosystem: str, version: str, other: str) -> bool:
    try:
        return version == other or bool(version_key(ecosystem, version) == version_key(ecosystem, other))
    except ValueError:
        return False


def _fixed(affected: Mapping[str, Any]) -> list[str]:
    return [
        event["fixed"]
        for each in affected.get("ranges") or ()
        if each.get("type") in ("ECOSYSTEM", "SEMVER")
        for event in each.get("events") or ()
        if "fixed" in event
    ]


def _name(ecosystem: str, name: str) -> str:
    return canonicalize_name(name) if ecosystem == "PyPI" else name


def _texts(path: Path) -> Iterator[tuple[str, bytes]]:
    """The JSON files at `path`, each with its name."""
    try:
        if path.is_dir():
            for file in sorted(path.rglob("*")):
                if file.suffix in (".json", ".zip") and file.is_file():
                    yield from _texts(file)
        elif path.suffix == ".zip":
            with zipfile.ZipFile(path) as archive:
                for name in archive.namelist():
                    if name.endswith(".json"):
                        yield f"{path}:{name}", archive.read(name)
        else:
            yield str(path), path.read_bytes()
    except (OSError, zipfile.BadZipFile, RuntimeError, NotImplementedError) as error:
        fault = f"{path} cannot be read: {error}"
        raise DatabaseError(fault) from error
