"""What `make` and its scripts say before, and while, they install or start something."""

import asyncio
import importlib.metadata
import os
import shutil
import signal
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from tests.clock import same_clock
from tests.forked import run
from tests.suite import Sandbox

ROOT = Path(__file__).parents[1]


def inherited(**variables: str) -> dict[str, str]:
    environment = {name: os.environ[name] for name in ("PATH", "HOME") if name in os.environ}
    return environment | same_clock() | variables


def output_of(*command: str, folder: Path = ROOT, **variables: str) -> tuple[int, str]:
    done = subprocess.run(  # noqa: S603 - our own commands
        command,
        cwd=folder,
        env=inherited(**variables),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=120,
        check=False,
    )
    return done.returncode, done.stdout


def studio(**variables: str) -> tuple[int | None, str]:
    """`make studio`, with a program in place of LangGraph Server that shows what it received."""
    shows = "import os, sys; print(sys.argv[1:], os.environ['AGENT_AUDIENCE'], os.environ['LLM_MODEL'])"
    script = str(ROOT / "scripts" / "studio.py")
    return run([script, sys.executable, "-c", shows], inherited(LLM_MODEL="mine", **variables), ROOT)


def test_missing_npm_is_reported_before_anything_is_installed(tmp_path: Path) -> None:
    make = shutil.which("make")
    assert make is not None
    code, shown = output_of(make, "-f", str(ROOT / "Makefile"), "up", folder=tmp_path, PATH="/nowhere")
    assert code != 0
    assert "npm is needed" in shown or "command" in shown
    assert list(tmp_path.iterdir()) == []


def test_older_node_is_reported_before_anything_is_installed_with_the_way_to_get_one(tmp_path: Path) -> None:
    make = shutil.which("make")
    assert make is not None
    older = tmp_path / "node"
    older.write_text("#!/bin/sh\nexit 1\n")
    older.chmod(0o755)
    code, shown = output_of(
        make, "-f", str(ROOT / "Makefile"), "mcp-test", f"MCP_NODE={older}", folder=tmp_path
    )
    assert code != 0
    assert "npm install node@22" in shown
    assert list(tmp_path.iterdir()) == [older]


def dry_run(target: str, folder: Path) -> str:
    """What `make` would do for the target in a folder where nothing is installed."""
    (folder / "frontend").mkdir()
    for name in ("requirements.lock", "requirements-dev.lock", "pyproject.toml"):
        (folder / name).touch()
    for name in ("package.json", "package-lock.json"):
        (folder / "frontend" / name).touch()
    shutil.copy(ROOT / "Makefile", folder)
    make = shutil.which("make")
    assert make is not None
    code, shown = output_of(make, "--dry-run", target, folder=folder)
    assert code == 0, shown
    return shown


def test_up_installs_what_the_first_answer_needs_the_agent_and_the_page_at_once(tmp_path: Path) -> None:
    shown = dry_run("up", tmp_path)
    assert "--jobs 2" in shown
    assert "npm ci --prefix frontend --omit=dev" in shown
    assert "requirements-dev.lock" not in shown
    assert shown.rstrip().endswith("idaas-agent up")


def test_wheel_needs_no_package_of_tests_or_browsers(tmp_path: Path) -> None:
    shown = dry_run("wheel", tmp_path)
    assert "requirements.lock" in shown
    assert "npm ci --prefix frontend --omit=dev" in shown
    assert "requirements-dev.lock" not in shown
    assert "ensure-" not in shown


def test_installing_counts_the_packages(tmp_path: Path) -> None:
    lock = tmp_path / "requirements.lock"
    lock.write_text(f"idna=={importlib.metadata.version('idna')} --hash=sha256:{'0' * 64}\n")
    code, shown = output_of(sys.executable, str(ROOT / "scripts" / "install.py"), str(lock))
    assert (code, shown) == (0, "  0 of 1 packages\n")


def test_installing_shows_why_it_failed(tmp_path: Path) -> None:
    lock = tmp_path / "requirements.lock"
    lock.write_text(f"idna=={importlib.metadata.version('idna')}\nno option\n")
    code, shown = output_of(sys.executable, str(ROOT / "scripts" / "install.py"), str(lock))
    assert code == 1
    assert "requirements.lock" in shown.partition("\n")[2]


def test_studio_uses_the_sandbox_that_runs_and_its_port(sandbox: Sandbox) -> None:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = str(free.getsockname()[1])
    folder = str(sandbox.running.folder)
    code, shown = studio(SANDBOX_FOLDER=folder, STUDIO_PORT=port)
    assert code == 0
    assert f"['--port', '{port}'] https://agent.sandbox.example mine" in shown


def test_studio_trusts_the_sandbox_that_runs_where_the_shell_names_other_certificates(
    sandbox: Sandbox,
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = str(free.getsockname()[1])
    folder = str(sandbox.running.folder)
    code, shown = studio(SANDBOX_FOLDER=folder, STUDIO_PORT=port, SSL_CERT_FILE="/nonexistent.pem")
    assert (code, "SSL_CERT_FILE" in shown) == (0, False)


def test_aegra_uses_the_sandbox_that_runs(sandbox: Sandbox, tmp_path: Path) -> None:
    program = tmp_path / "program.py"
    program.write_text(
        "import contextlib, scripts.aegra as aegra; print(aegra.sandbox_of(contextlib.ExitStack()))"
    )
    code, shown = run([str(program)], inherited(SANDBOX_FOLDER=str(sandbox.running.folder)), ROOT)
    assert code == 0
    assert sandbox.environment["LLM_BASE_URL"] in shown


def test_studio_without_a_cloud_names_every_missing_variable(tmp_path: Path) -> None:
    code, shown = studio(SANDBOX_FOLDER=str(tmp_path / "none"))
    assert code == 1
    assert "AGENT_AUDIENCE must be set" in shown
    assert "LLM_API_KEY_IDENTIFIER must be set" in shown
    assert "Traceback" not in shown


def test_studio_fails_if_its_port_is_taken(sandbox: Sandbox) -> None:
    with socket.create_server(("127.0.0.1", 0)) as busy:
        port = str(busy.getsockname()[1])
        code, shown = studio(SANDBOX_FOLDER=str(sandbox.running.folder), STUDIO_PORT=port)
    assert code == 1
    assert f"port {port}" in shown


def test_test_that_waits_for_ever_ends_when_its_time_is_over() -> None:
    def time_is_over(*_: object) -> None:
        pytest.fail("its time is over")

    async def waits() -> None:
        asyncio.get_running_loop().call_later(0.01, os.kill, os.getpid(), signal.SIGUSR1)
        await asyncio.Event().wait()

    before = signal.signal(signal.SIGUSR1, time_is_over)
    try:
        with pytest.raises((pytest.fail.Exception, RuntimeError)):
            asyncio.run(waits())
    finally:
        signal.signal(signal.SIGUSR1, before)
