"""A zip with the same bytes for the same content: sorted names, fixed times, fixed modes."""

import zipfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Final

PACKAGES: Final = ("agent", "graph", "identity", "tools")
"""The agent's own packages. The sandbox, tests and documents are not deployed."""
_IGNORED: Final = frozenset({"__pycache__", ".pytest_cache", ".mypy_cache"})
_TIME: Final = (1980, 1, 1, 0, 0, 0)
_MODE: Final = 0o644 << 16


def source_files(root: Path) -> dict[str, Path]:
    """The agent's packages below `root`: name in the archive → file."""
    return {name: path for package in PACKAGES for name, path in _files(root / package, package)}


def installed_files(folder: Path, prefix: str) -> dict[str, Path]:
    """Everything below `folder`, under `prefix`; without compiled bytecode."""
    return dict(_files(folder, prefix))


def write_zip(path: Path, files: Mapping[str, Path | bytes]) -> None:
    """Writes the archive, replacing an existing one in one step."""
    path.parent.mkdir(parents=True, exist_ok=True)
    draft = path.with_name(f".{path.name}.draft")
    with zipfile.ZipFile(draft, "w", zipfile.ZIP_DEFLATED, compresslevel=9) as archive:
        for name in sorted(files):
            entry = zipfile.ZipInfo(name, _TIME)
            entry.external_attr = _MODE
            entry.compress_type = zipfile.ZIP_DEFLATED
            content = files[name]
            archive.writestr(entry, content if isinstance(content, bytes) else content.read_bytes())
    draft.replace(path)


def _files(folder: Path, prefix: str) -> Iterator[tuple[str, Path]]:
    for path in sorted(folder.rglob("*")):
        parts = path.relative_to(folder).parts
        if path.is_file() and not _IGNORED.intersection(parts) and path.suffix != ".pyc":
            yield "/".join((prefix, *parts)), path
