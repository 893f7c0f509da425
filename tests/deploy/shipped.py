"""What is shipped, made as operators make it: the installed tree.

The dependencies are those of `requirements.lock` alone, from the interpreter that runs the tests.
"""

import importlib.metadata
import os
import re
import shutil
import subprocess
import sys
import sysconfig
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pytest
from packaging.markers import Marker

ROOT = Path(__file__).parents[2]
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


def link_distributions(names: Iterable[str], folder: Path) -> None:
    """Links what these distributions installed, and nothing of others, into `folder`."""
    site = Path(sysconfig.get_path("purelib"))
    wanted = {re.sub(r"[-_.]+", "-", name).lower() for name in names}
    ours: dict[str, Any] = {}
    for found in importlib.metadata.distributions(path=[str(site)]):
        name = re.sub(r"[-_.]+", "-", found.metadata["Name"]).lower()
        for file in found.files or ():
            *parts, last = file.parts
            if last.endswith(".pyc") or ".." in parts:
                continue
            node = ours
            for part in parts:
                node = node.setdefault(part, {})
            node[last] = name in wanted
        wanted.discard(name)
    assert not wanted, f"not installed: {wanted}"
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
