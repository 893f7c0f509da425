"""The build backend: setuptools, whose wheel becomes one package, `idaas_agent`, with the page in it.

An editable installation is setuptools' own: it refers to the folders of the repository.
"""

import base64
import hashlib
import re
import shutil
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from setuptools import build_meta
from setuptools.build_meta import *  # noqa: F403 - the hooks that stay as they are

from agent.one_package import PACKAGE, moved_entry, within_package

ROOT: Final = Path(__file__).resolve().parent.parent
_PAGE: Final = ROOT / "frontend"
_PAGE_SUFFIXES: Final = frozenset({".css", ".html", ".js", ".svg"})
_NOT_THE_PAGE: Final = frozenset({"node_modules", "tests"})
_LEFTOVERS: Final = frozenset({"__pycache__", ".pytest_cache", ".hypothesis", ".idaas-agent", ".sandbox"})
"""What the commands of an example leave in its folder."""
_LOADED: Final = re.compile(r"node_modules/((?:@[\w.-]+/)?[\w.-]+)/[\w./-]+\.m?js")
_TIME: Final = (1980, 1, 1, 0, 0, 0)


def build_wheel(
    wheel_directory: str,
    config_settings: Any = None,  # noqa: ANN401 - a form of setuptools' own
    metadata_directory: str | None = None,
) -> str:
    """Builds the wheel into `wheel_directory` and returns its name. Needs the page's npm packages."""
    shutil.rmtree(Path("build", "lib"), ignore_errors=True)  # it would keep files that are no longer there
    name: str = build_meta.build_wheel(wheel_directory, config_settings, metadata_directory)
    path = Path(wheel_directory) / name
    with zipfile.ZipFile(path) as built:
        files = within_package({each: built.read(each) for each in built.namelist()})
    info = next(each.split("/")[0] for each in files if each.endswith(".dist-info/RECORD"))
    scripts = f"{info}/entry_points.txt"
    files[scripts] = _moved(files[scripts].decode()).encode()
    files[f"{info}/top_level.txt"] = f"{PACKAGE}\n".encode()
    files |= (
        page() | _examples() | {f"{PACKAGE}/requirements.lock": (ROOT / "requirements.lock").read_bytes()}
    )
    del files[f"{info}/RECORD"]
    files[f"{info}/RECORD"] = _record(files, info)
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as wheel:
        for each, content in files.items():
            wheel.writestr(zipfile.ZipInfo(each, _TIME), content, zipfile.ZIP_DEFLATED)
    return name


def _moved(entry_points: str) -> str:
    """The references of `entry_points.txt`, as those of the one package."""
    return re.sub(r"(?m)(?<= = ).*$", lambda found: moved_entry(found[0]), entry_points)


def build_sdist(
    sdist_directory: str,
    config_settings: Any = None,  # noqa: ANN401 - as above
) -> str:
    """There is none: what it would lack (npm packages of the page) only an installed repository has."""
    raise NotImplementedError("there is no sdist: the wheel needs the page's npm packages; use `make wheel`")


def page() -> dict[str, bytes]:
    """The page, and what it loads of npm packages with their licences, as files of the package.

    Raises `FileNotFoundError` if the npm packages are not installed.
    """
    own = [
        file
        for file in sorted(_PAGE.rglob("*"))
        if file.suffix in _PAGE_SUFFIXES and _NOT_THE_PAGE.isdisjoint(file.relative_to(_PAGE).parts)
    ]
    found = [match for file in own for match in _LOADED.finditer(file.read_text("utf-8"))]
    loaded = {_PAGE / match[0] for match in found}
    packages = {_PAGE / "node_modules" / match[1] for match in found}
    licences = {licence for package in packages for licence in package.glob("LICENSE*")}
    files = [*own, *sorted(loaded | licences)]
    return {f"{PACKAGE}/frontend/{file.relative_to(_PAGE).as_posix()}": file.read_bytes() for file in files}


def _examples() -> dict[str, bytes]:
    """What commands copy, as files of the package: the project of `new` with its manifests, and the company
    of `up`.
    """
    folders = [ROOT / name for name in ("deploy/kubernetes", "examples/my_agent", "examples/policy")]
    files = [file for folder in folders for file in sorted(folder.rglob("*")) if file.is_file()]
    own = [file for file in files if _LEFTOVERS.isdisjoint(file.parts)]
    return {f"{PACKAGE}/{file.relative_to(ROOT).as_posix()}": file.read_bytes() for file in own}


def _record(files: Mapping[str, bytes], info: str) -> bytes:
    """The list of all files with their hashes, as the format of wheels has it."""
    lines = []
    for name, content in files.items():
        digest = base64.urlsafe_b64encode(hashlib.sha256(content).digest()).rstrip(b"=").decode()
        lines.append(f"{name},sha256={digest},{len(content)}\n")
    return "".join([*lines, f"{info}/RECORD,,\n"]).encode()
