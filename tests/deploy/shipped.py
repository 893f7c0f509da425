"""What is shipped, made as operators make it: the wheel, and the installed tree.

The dependencies are those of `requirements.lock` alone, or of some extras alone, from the interpreter that
runs the tests.
"""

import functools
import importlib.metadata
import os
import re
import shutil
import subprocess
import sys
import sysconfig
import tomllib
import zipfile
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pytest
from packaging.markers import Marker
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from agent.one_package import INNER
from tests.clock import same_clock

ROOT = Path(__file__).parents[2]
BUILT_FROM = (
    *INNER,
    "idaas_agent",
    "deploy",
    "examples",
    "frontend",
    "scripts",
    "pyproject.toml",
    "README.md",
    "LICENSE",
)
BUILD = "import sys; sys.path[:0] = ['scripts', '.']; import wheel_backend as w; w.build_wheel(sys.argv[1])"
INSTALL = ROOT / "deploy" / "container" / "install.sh"
PYTHON = """#!/bin/sh
"{python}" -m venv --without-pip "$3"
cp "{folder}/pip" "$3/bin/pip"
"""
PIP = """#!/bin/sh
# Stands in for pip, which would download.
echo "$@" >> "$(dirname "$0")/pip-arguments"
ln -sfn "{dependencies}"/* "$(echo "$(dirname "$0")"/../lib/python*/site-packages)"
"""


def locked(lock: Path) -> set[str]:
    """The names in a lock file that this platform installs."""
    lines = re.findall(r"^([A-Za-z0-9._-]+)==\S+(?: ; (.*?))?(?: \\)?$", lock.read_text(), re.MULTILINE)
    return {name for name, marker in lines if not marker or Marker(marker).evaluate()}


@functools.cache
def _files_of_distributions(site: Path) -> dict[str, list[tuple[str, ...]]]:
    """The parts of the paths of the files in `site`, by the distribution that installed them."""
    files: dict[str, list[tuple[str, ...]]] = {}
    for distribution in importlib.metadata.distributions(path=[str(site)]):
        name = canonicalize_name(distribution.metadata["Name"])
        parts = [file.parts for file in distribution.files or () if file.suffix != ".pyc"]
        files[name] = [path for path in parts if ".." not in path]
    return files


def link_distributions(names: Iterable[str], folder: Path) -> None:
    """Links what these distributions installed, and nothing of others, into `folder`."""
    site = Path(sysconfig.get_path("purelib"))
    wanted = {*map(canonicalize_name, names)}
    files = _files_of_distributions(site)
    assert wanted <= files.keys(), f"not installed: {wanted - files.keys()}"
    ours: dict[str, Any] = {}
    for name, paths in files.items():
        for *parts, last in paths:
            node = ours
            for part in parts:
                node = node.setdefault(part, {})
            node[last] = name in wanted
    _link(ours, site, folder)


def _link(node: dict[str, Any], source: Path, target: Path) -> None:
    """Links folders that belong to the wanted distributions as a whole, and single files of the others."""
    target.mkdir(exist_ok=True)
    for name, content in node.items():
        if content is True or (content and _whole(content)):
            (target / name).symlink_to(source / name)
        elif content and _any(content):
            _link(content, source / name, target / name)


def _whole(content: Any) -> bool:
    return all(map(_whole, content.values())) if isinstance(content, dict) else content


def _any(content: Any) -> bool:
    return any(map(_any, content.values())) if isinstance(content, dict) else content


def copied_by_the_image(folder: Path) -> Path:
    """What the build stage of the Dockerfile copies, and its ignore file lets through, in `folder`."""
    container = ROOT / "deploy" / "container"
    let_through = (container / "Dockerfile.dockerignore").read_text().splitlines()
    build, *_ = (container / "Dockerfile").read_text().split("\nFROM ", 2)[1:]
    names = [name for line in re.findall(r"^COPY (.+) \S+$", build, re.MULTILINE) for name in line.split()]
    for name in names:
        assert f"!{name}" in let_through, name
        source, target = ROOT / name, folder / name
        target.parent.mkdir(parents=True, exist_ok=True)
        if source.is_dir():
            shutil.copytree(source, target, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            shutil.copy(source, target)
    return folder


def closure(*extras: str) -> set[str]:
    """The distributions that the project needs with these extras, as far as this platform installs them."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    optional = project["optional-dependencies"]
    texts = [*project["dependencies"], *(text for extra in extras for text in optional[extra])]
    pending = [(requirement, "") for requirement in map(Requirement, texts)]
    needed: set[tuple[str, str]] = set()
    while pending:
        requirement, extra = pending.pop()
        if requirement.marker is not None and not requirement.marker.evaluate({"extra": extra}):
            continue
        name = canonicalize_name(requirement.name)
        for wanted in {"", *requirement.extras}:
            if (name, wanted) not in needed:
                needed.add((name, wanted))
                further = importlib.metadata.requires(name) or ()
                pending += [(each, wanted) for each in map(Requirement, further)]
    return {name for name, _ in needed}


@pytest.fixture(scope="session")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel, built in a folder of its own: setuptools writes beside what it reads."""
    source, built = tmp_path_factory.mktemp("source"), tmp_path_factory.mktemp("wheel")
    for name in BUILT_FROM:
        (source / name).symlink_to(ROOT / name)
    subprocess.run([sys.executable, "-c", BUILD, built], cwd=source, check=True, capture_output=True)  # noqa: S603 - this test's own command
    [path] = built.glob("*.whl")
    return path


@pytest.fixture(scope="session")
def unpacked_wheel(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel's files as pip installs them. All tests use one folder, so that it is compiled once."""
    folder = tmp_path_factory.mktemp("unpacked")
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(folder)
    return folder


def installed_wheel(unpacked_wheel: Path, folder: Path, *extras: str) -> Path:
    """`folder` as a path of modules: what the wheel and these extras of it install, and nothing else."""
    link_distributions(closure(*extras), folder)
    for installed in unpacked_wheel.iterdir():
        (folder / installed.name).symlink_to(installed)
    return folder


def run_alone(
    site: Path, program: str, *arguments: str, **variables: str
) -> subprocess.CompletedProcess[str]:
    """Runs `program` with the modules of `site` and of Python alone, and with these variables alone."""
    code = f"import sys; sys.path.insert(0, {str(site)!r}); {program}"
    python = [sys._base_executable, "-I", "-S", "-c", code]  # type: ignore[attr-defined]  # not in typeshed
    return subprocess.run(  # noqa: S603 - this test's own command
        [*python, *arguments],
        env=same_clock() | variables,
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )


@pytest.fixture(scope="session")
def dependencies(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with what `requirements.lock` names, for the interpreter's path."""
    folder = tmp_path_factory.mktemp("dependencies")
    link_distributions(locked(ROOT / "requirements.lock"), folder)
    return folder


def install(folder: Path, dependencies: Path) -> Path:
    """What `install.sh` makes, with the operator's files in `own` of `folder`, and no other packages."""
    script = shutil.copy(INSTALL, folder)
    for name, template in {"python": PYTHON, "pip": PIP}.items():
        text = template.format(python=sys.executable, folder=folder, dependencies=dependencies)
        (folder / name).write_text(text)
        (folder / name).chmod(0o755)
    target = folder / "idaas-agent"
    command = [script, copied_by_the_image(folder / "source"), target.name, "--no-index"]
    environment = {"PATH": os.environ["PATH"], "PYTHON": str(folder / "python")}
    subprocess.run(command, cwd=folder, env=environment, check=True)  # noqa: S603 - the script under test
    return target


@pytest.fixture(scope="session")
def installed(tmp_path_factory: pytest.TempPathFactory, dependencies: Path) -> Path:
    """The installed tree, with two files of an operator, one of which is not for all."""
    folder = tmp_path_factory.mktemp("installed")
    own = folder / "own"
    own.mkdir()
    (own / "services.toml").write_text("# no services\n")
    (own / "services.toml").chmod(0o600)
    (own / "requirements.lock").write_text("# no packages\n")
    return install(folder, dependencies)
