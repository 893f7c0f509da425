"""The build stage's script, in an empty folder: the agent alone runs from what it installs."""

import os
import subprocess
import sys
from pathlib import Path

from agent.one_package import INNER
from tests.deploy.shipped import INSTALL
from tools import VERSION


def run(installed: Path, *command: str) -> subprocess.CompletedProcess[str]:
    """Runs without the repository and without the test's packages."""
    environment = {"PATH": os.environ["PATH"], "HOME": "/nowhere"}
    return subprocess.run(  # noqa: S603 - the program under test
        command, cwd=installed, env=environment, capture_output=True, text=True, check=False, timeout=60
    )


def test_dependencies_are_installed_from_the_lock_with_their_hashes(installed: Path) -> None:
    arguments, own = (installed / "bin" / "pip-arguments").read_text().splitlines()
    assert {"--require-hashes", "--only-binary=:all:", "--no-deps"} <= set(own.split())
    assert own.endswith("-r requirements.lock --no-index"), "own packages"
    assert "--require-hashes" in arguments
    assert f"-r {installed.parent}/source/requirements.lock" in arguments
    assert "--only-binary=:all:" in arguments
    assert arguments.rstrip().endswith("--no-index"), "further options are passed on"


def test_the_installed_command_runs_and_has_no_sandbox(installed: Path) -> None:
    found = run(installed, str(installed / "bin" / "idaas-agent"), "serve")
    assert found.returncode == 1
    assert "AGENT_AUDIENCE must be set" in found.stderr
    found = run(installed, str(installed / "bin" / "idaas-agent"), "--version")
    assert (found.returncode, found.stdout, found.stderr) == (0, f"{VERSION}\n", "")
    packages = {path.name for path in installed.glob("lib/python*/site-packages/*") if path.is_dir()}
    assert "idaas_agent" in packages
    assert not packages & {*INNER, "tests", "pytest"}


def test_neither_tests_nor_documents_are_installed(installed: Path) -> None:
    [package] = installed.glob("lib/python*/site-packages/idaas_agent")
    files = [file.relative_to(package) for file in package.rglob("*") if file.is_file()]
    assert Path("plugins/__init__.py") in files
    assert [str(file) for file in files if "tests" in file.parts or file.suffix == ".md"] == []


def test_own_files_can_be_read_by_the_user_of_the_image(installed: Path) -> None:
    modes = [path.stat().st_mode for path in (installed / "own").rglob("*")]
    assert modes
    assert all(mode & 0o004 for mode in modes)


def test_the_health_check_fails_if_nothing_listens() -> None:
    check = INSTALL.with_name("healthcheck.py")
    found = subprocess.run(  # noqa: S603 - the script under test
        [sys.executable, check], env={"AGENT_PORT": "1"}, capture_output=True, check=False
    )
    assert found.returncode == 1
    assert found.stderr == b""
