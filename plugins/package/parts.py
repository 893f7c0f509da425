"""The parts of packages: installed dependencies, a zip with the same bytes for the same content, `s.yaml`.

`runtime_schema.json` has the members of `s.yaml` that are written for the components `agentrun` (1.0.12) and
`fc3` (0.1.22), no others: the components pass unknown ones in places, or only log a fault.
"""

import json
import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from string import Template
from typing import Any, Final

_PLATFORMS: Final = ("manylinux_2_28_x86_64", "manylinux_2_17_x86_64", "manylinux2014_x86_64")
"""These fit the glibc of the platform's Debian images (2.28 and newer)."""
_MAX_OUTPUT: Final = 2000
_IGNORED: Final = frozenset({"__pycache__", ".pytest_cache", ".mypy_cache"})
_TIME: Final = (1980, 1, 1, 0, 0, 0)
_MODE: Final = 0o644 << 16
_SCHEMA: Final = Path(__file__).with_name("runtime_schema.json")

InstallDependencies = Callable[[Path], None]
"""Installs the dependencies into a folder."""


class PackagingError(Exception):
    """No package was written. `faults` has every reason; none contains a secret."""

    def __init__(self, faults: Sequence[str]) -> None:
        super().__init__("; ".join(faults))
        self.faults = tuple(faults)


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
        raise PackagingError([f"dependencies cannot be installed: {result.stderr.strip()[-_MAX_OUTPUT:]}"])


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
            if not isinstance(content, bytes):
                content = content.read_bytes()
            archive.writestr(entry, content)
    draft.replace(path)


def files_below(folder: Path, prefix: str) -> dict[str, Path]:
    """Everything below `folder`, without compiled bytecode: name in the archive, under `prefix` → file."""
    files = {}
    for path in folder.rglob("*"):
        parts = path.relative_to(folder).parts
        if path.is_file() and not _IGNORED.intersection(parts) and path.suffix != ".pyc":
            files["/".join((prefix, *parts))] = path
    return files


def document_of(component: str, values: Mapping[str, object]) -> dict[str, Any]:
    """The content of `s.yaml` for `component`, from the template of its name, with `values`."""
    import yaml

    text = Path(__file__).with_name(f"{component}.yaml").read_text("utf-8")
    filled = Template(text).substitute({name: json.dumps(value) for name, value in values.items()})
    document: dict[str, Any] = yaml.safe_load(filled)
    return document


def write_package(
    folder: Path,
    document: Mapping[str, Any],
    component: str,
    files: Mapping[str, Path | bytes],
    install: InstallDependencies,
    *,
    faults: Sequence[str] = (),
) -> None:
    """Writes `code.zip`, of `files` and the dependencies below `python/`, and `document` as `s.yaml`.

    Raises `PackagingError` with `faults` and those of `document` before anything is installed.
    """
    import yaml

    if faults := [*faults, *document_faults(document, component)]:
        raise PackagingError(faults)
    with tempfile.TemporaryDirectory() as installed:
        install(Path(installed))
        write_zip(folder / "code.zip", {**files_below(Path(installed), "python"), **files})
    text = yaml.safe_dump(dict(document), sort_keys=False, allow_unicode=True)
    (folder / "s.yaml").write_text(text, "utf-8")


def document_faults(document: object, component: str) -> list[str]:
    """Every fault of an `s.yaml` for `component`, each with its path.

    By the schema; where it has a description, that is the fault's text.
    """
    from jsonschema import Draft202012Validator

    definitions = json.loads(_SCHEMA.read_text("utf-8"))["$defs"]
    validator = Draft202012Validator({"$ref": f"#/$defs/{component}", "$defs": definitions})
    return [
        f"s.yaml{error.json_path[1:]}: {error.schema.get('description', error.message)}"
        for error in sorted(validator.iter_errors(document), key=lambda error: error.json_path)
    ]
