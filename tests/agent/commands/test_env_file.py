"""What a command prints about `--env-file` and the environment that replaces it."""

from pathlib import Path

import pytest
from typer.testing import CliRunner

from agent.commands import terminal
from agent.commands.command_line import app
from agent.commands.sandbox_options import SandboxRunOptions


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The working folder, with the file that a sandbox writes."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / ".sandbox").mkdir()
    (tmp_path / ".sandbox" / "agent.env").write_text("LLM_MODEL=of-the-file\nMAX_RUNS=x\n")
    return tmp_path


@pytest.mark.parametrize("command", ["doctor", "serve"])
def test_failed_configuration_names_the_sandboxs_file(folder: Path, command: str) -> None:
    result = CliRunner().invoke(app, [command], env={"CLOUD_IDAAS_CONFIG_PATH": "/nowhere"})
    assert result.exit_code == 1
    assert "--env-file .sandbox/agent.env" in result.stderr


def test_replaced_variables_of_the_file_are_named_without_values(folder: Path) -> None:
    arguments = ["doctor", "--env-file", ".sandbox/agent.env"]
    result = CliRunner().invoke(app, arguments, env={"LLM_MODEL": "of-the-environment"})
    assert "LLM_MODEL of the environment replaces that of .sandbox/agent.env" in result.stderr
    assert "MAX_RUNS of the environment" not in result.stderr
    assert "of-the-environment" not in result.stderr
    assert "add --env-file" not in result.stderr


def test_command_is_named_by_its_file_unless_it_is_on_the_path(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sys.argv", [str(folder / ".venv" / "bin" / "idaas-agent"), "up"])
    monkeypatch.setenv("PATH", str(folder))
    assert terminal.own_command() == ".venv/bin/idaas-agent"


@pytest.mark.parametrize("command", ["up", "sandbox"])
def test_both_commands_have_every_option_of_a_sandbox(command: str) -> None:
    output = CliRunner().invoke(app, [command, "--help"], env={"COLUMNS": "200", "NO_COLOR": "1"}).stdout
    for name in SandboxRunOptions.__dataclass_fields__:
        assert f"--{name.replace('_', '-')}" in output
