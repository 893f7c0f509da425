"""The build stage's script, in an empty folder: the agent alone runs from what it installs."""

import os
import subprocess
import sys
import sysconfig
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
DEPLOY = ROOT / "deploy"
PIP = """#!/bin/sh
# Stands in for pip, which would download: the dependencies are those of the interpreter that runs the tests.
echo "$@" > "$(dirname "$0")/pip-arguments"
"""


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder that the script fills, with an interpreter whose virtual environment has no pip."""
    folder = tmp_path_factory.mktemp("container")
    python = folder / "python"
    python.write_text(
        f'#!/bin/sh\n"{sys.executable}" -m venv --without-pip "$3"\ncp "{folder}/pip" "$3/bin/pip"\n'
    )
    python.chmod(0o755)
    pip = folder / "pip"
    pip.write_text(PIP)
    pip.chmod(0o755)
    target = folder / "idaas-agent"
    command = [DEPLOY / "container" / "install.sh", ROOT, target, "--no-index"]
    subprocess.run(command, env={"PATH": os.environ["PATH"], "PYTHON": str(python)}, check=True)  # noqa: S603 - the script under test
    return target


def run(installed: Path, *command: str) -> subprocess.CompletedProcess[str]:
    """Runs without the repository on the path; the dependencies come from the test's interpreter."""
    environment = {
        "PATH": os.environ["PATH"],
        "PYTHONPATH": sysconfig.get_path("purelib"),
        "HOME": "/nowhere",
    }
    return subprocess.run(  # noqa: S603 - the program under test
        command, cwd=installed, env=environment, capture_output=True, text=True, check=False, timeout=60
    )


def test_dependencies_are_installed_from_the_lock_with_their_hashes(installed: Path) -> None:
    arguments = (installed / "bin" / "pip-arguments").read_text()
    assert "--require-hashes" in arguments
    assert f"-r {ROOT}/requirements.lock" in arguments
    assert "--only-binary=:all:" in arguments
    assert arguments.rstrip().endswith("--no-index"), "further options are passed on"


def test_the_installed_command_runs_and_has_no_sandbox(installed: Path) -> None:
    found = run(installed, str(installed / "bin" / "idaas-agent"), "serve")
    assert found.returncode == 1
    assert "AGENT_AUDIENCE must be set" in found.stderr
    where = "import agent, sys; print(agent.__file__); sys.path_importer_cache.clear()"
    assert str(installed) in run(installed, str(installed / "bin" / "python"), "-c", where).stdout
    packages = {path.name for path in installed.glob("lib/python*/site-packages/*") if path.is_dir()}
    assert {"agent", "graph", "identity", "tools"} <= packages
    assert "sandbox" not in packages
    assert "tests" not in packages


def test_the_health_check_fails_if_nothing_listens(installed: Path) -> None:
    check = DEPLOY / "container" / "healthcheck.py"
    found = subprocess.run(  # noqa: S603 - the script under test
        [sys.executable, check], env={"AGENT_PORT": "1"}, capture_output=True, check=False
    )
    assert found.returncode == 1
    assert found.stderr == b""
