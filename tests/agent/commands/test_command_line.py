"""The commands, as processes or by Typer's runner, against the sandbox; and what `--env-file` prints."""

import re
import signal
import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from typer.core import TyperGroup, TyperOption
from typer.main import get_command
from typer.testing import CliRunner

from agent.commands import terminal
from agent.commands.command_line import app
from agent.commands.help_panels import PANELS
from sandbox.commands.sandbox_options import SandboxRunOptions
from tests.agent.conftest import AgentServer
from tests.command import forked
from tests.suite import Sandbox

PORTS = ("agent", "page", "idaas", "idaas-plain", "model-studio", "function-compute")


async def printed(*arguments: str, folder: Path, **variables: str) -> tuple[int, str]:
    """The exit status of a command, and what it printed."""
    async with forked(*arguments, folder=folder, **variables) as command:
        return await command.ends(), command.printed


async def test_up_serves_a_question_and_closes_every_port(tmp_path: Path) -> None:
    ports = [argument for name in PORTS for argument in (f"--{name}-port", "0")]
    async with forked("up", "--authn", "PLUGIN", *ports, folder=tmp_path) as up:
        await up.says("ready")
        assert "by PLUGIN" in up.printed
        page, agent = re.findall(r"^(?:page|agent) +(http://localhost:\d+)", up.printed, re.MULTILINE)
        plain = re.findall(r"http://localhost:\d+", up.printed.partition("IDaaS")[2])[0]
        _, token = await printed("token", "--sandbox-url", plain, folder=tmp_path)
        (of_job,) = re.findall(r"^job .*(token --client .+)", up.printed, re.MULTILINE)
        _, token_of_job = await printed(*of_job.split(), folder=tmp_path)
        assert token_of_job.count(".") == 2
        variables = {"IDAAS_AGENT_ACCESS_TOKEN": token.strip()}
        question = "Call my enterprise service"
        status, answer = await printed("chat", "--url", agent, question, folder=tmp_path, **variables)
        assert status == 0
        assert "[Machine] ok" in answer
        assert "app_agent01" in answer
        async with httpx.AsyncClient() as http:
            assert agent in (await http.get(f"{page}/config.js")).text
        up.send_signal(signal.SIGINT)
        assert await up.ends() == 0
    for url in (page, agent, plain):
        with pytest.raises(OSError, match="refused"):
            socket.create_connection(("127.0.0.1", httpx.URL(url).port or 0))


async def test_up_names_a_busy_port_before_anything_starts(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as busy:
        port = str(busy.getsockname()[1])
        for name in (PORTS[0], PORTS[-1]):
            ports = [
                argument for each in PORTS for argument in (f"--{each}-port", "0" if each != name else port)
            ]
            status, output = await printed("up", *ports, folder=tmp_path)
            assert status == 1
            assert f"port {port}" in output
    assert not (tmp_path / ".sandbox").exists()


async def test_second_up_says_that_another_one_runs_and_changes_none_of_its_files(
    sandbox: Sandbox, tmp_path: Path
) -> None:
    folder = sandbox.running.folder
    written = (folder / "agent.env").read_bytes()
    arguments = ("up", "--folder", str(folder), "--agent-port", "0", "--page-port", "0")
    status, output = await printed(*arguments, folder=tmp_path, ACCESS_IDENTITY="human")
    assert status == 1
    assert f"another sandbox runs with the files of {folder}" in output
    assert (folder / "agent.env").read_bytes() == written


def test_token_prints_a_users_access_token(sandbox: Sandbox) -> None:
    url = sandbox.url("", "idaas_plain")
    result = CliRunner().invoke(app, ["token", "--user", "bob", "--sandbox-url", url])
    assert result.exit_code == 0
    assert result.stdout.count(".") == 2


def test_token_of_an_unknown_user_is_an_error(sandbox: Sandbox) -> None:
    url = sandbox.url("", "idaas_plain")
    result = CliRunner().invoke(app, ["token", "--user", "mallory", "--sandbox-url", url])
    assert result.exit_code == 1


def test_chat_shows_the_identity_of_each_call(human_agent_server: AgentServer, tmp_path: Path) -> None:
    file = tmp_path / "token"
    file.write_text(human_agent_server.sandbox.access_token("alice"))
    arguments = [
        "chat",
        "--url",
        human_agent_server.url,
        "--token-file",
        str(file),
        "Call my enterprise service",
    ]
    result = CliRunner().invoke(app, arguments)
    assert result.exit_code == 0
    assert "user_alice01" in result.stdout
    assert "[Human]" in result.stderr


def test_refused_chat_prints_the_remedy(agent_server: AgentServer) -> None:
    variables = {"IDAAS_AGENT_ACCESS_TOKEN": "nonsense"}
    result = CliRunner().invoke(app, ["chat", "--url", agent_server.url, "hello"], env=variables)
    assert result.exit_code == 1
    assert "Sign in again; reference " in result.stderr


@pytest.mark.parametrize(
    ("content", "fault"),
    [
        (b"AGENT_AUDIENCE=a\0b\n", "AGENT_AUDIENCE must not contain a NUL character"),
        (b"AGENT_AUDIENCE=\xff\n", "the file '{file}' must be UTF-8"),
    ],
)
def test_unusable_content_of_the_env_file_is_a_fault_by_its_name(
    tmp_path: Path, content: bytes, fault: str
) -> None:
    file = tmp_path / "agent.env"
    file.write_bytes(content)
    result = CliRunner().invoke(app, ["serve", "--env-file", str(file)])
    assert (result.exit_code, type(result.exception)) == (1, SystemExit)
    assert fault.format(file=file) in result.stderr


def test_help_texts_have_one_form() -> None:
    """Commands begin with a verb; texts are sentences; variables and repetition are written in one way."""
    wrong: list[str] = []
    group: Any = get_command(app)
    todo = [(f"idaas-agent {name}", group.get_command(None, name)) for name in group.list_commands(None)]
    assert len(todo) > 15
    while todo:
        name, command = todo.pop()
        children = getattr(command, "commands", {})
        todo += [(f"{name} {each}", child) for each, child in children.items()]
        text = command.help or ""
        if not children and not re.match(r"[A-Z]\w+s ", text):
            wrong.append(f"{name}: {text}")
        for option in command.params:
            text = re.sub(r" \\\[env var: [A-Z_]+\]$", "", str(getattr(option, "help", None) or ""))
            if not re.match(r"[A-Z0-9][^[]*\.$", text) or "may be rep" in text:
                wrong.append(f"{name} {option.name}: {option.help}")  # type: ignore[attr-defined]  # an option has it
    assert wrong == []


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
    printed = " ".join(result.stderr.split())
    assert "LLM_MODEL of the environment replaces that of .sandbox/agent.env" in printed
    assert "is used after: unset LLM_MODEL" in printed
    assert "MAX_RUNS of the environment" not in result.stderr
    assert "of-the-environment" not in result.stderr
    assert "add --env-file" not in result.stderr


def test_later_file_of_variables_counts_and_the_environment_over_all(folder: Path) -> None:
    (folder / "later.env").write_text("LLM_MODEL=of-the-later\nAGENT_AUDIENCE=a\n")
    files = [Path(".sandbox/agent.env"), Path("later.env")]
    assert terminal.environment(files)["LLM_MODEL"] == "of-the-later"
    assert terminal.environment(files)["MAX_RUNS"] == "x"
    assert terminal.environment(files[::-1])["LLM_MODEL"] == "of-the-file"
    arguments = ["doctor", "--env-file", ".sandbox/agent.env", "--env-file", "later.env"]
    result = CliRunner().invoke(app, arguments, env={"AGENT_AUDIENCE": "b"})
    assert "AGENT_AUDIENCE of the environment replaces that of later.env" in " ".join(result.stderr.split())
    missing = CliRunner().invoke(app, ["serve", *arguments[1:], "--env-file", "none.env"])
    assert (missing.exit_code, "there is no file 'none.env'" in missing.stderr) == (1, True)


def test_help_lists_each_command_of_the_agent_in_a_panel_and_begins_with_what_to_try() -> None:
    output = CliRunner().invoke(app, ["--help"], env={"COLUMNS": "200", "NO_COLOR": "1"}).stdout
    places = [output.find(f" {panel} ─") for panel in PANELS]
    assert -1 not in places
    assert places == sorted(places)
    assert "─ Commands ─" not in output


def test_completion_of_each_shell_is_printed() -> None:
    for shell in ("bash", "zsh", "fish"):
        variables = {"_IDAAS_AGENT_COMPLETE": f"source_{shell}"}
        result = CliRunner().invoke(app, [], prog_name="idaas-agent", env=variables)
        assert "_IDAAS_AGENT_COMPLETE" in result.stdout


def test_command_is_named_by_its_file_unless_it_is_on_the_path(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sys.argv", [str(folder / ".venv" / "bin" / "idaas-agent"), "up"])
    monkeypatch.setenv("PATH", str(folder))
    assert terminal.own_command() == ".venv/bin/idaas-agent"


def test_doctor_of_the_sandbox_is_named_so_that_it_works_in_this_shell(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    env_file = Path(".sandbox/agent.env")
    monkeypatch.delenv("SSL_CERT_FILE", raising=False)
    assert terminal.doctor_command(env_file) == "idaas-agent doctor --env-file .sandbox/agent.env"
    monkeypatch.setenv("SSL_CERT_FILE", "/etc/company.pem")
    assert terminal.doctor_command(env_file).startswith("env -u SSL_CERT_FILE idaas-agent doctor")


@pytest.mark.parametrize("command", ["up", "sandbox"])
def test_both_commands_have_every_option_of_a_sandbox(command: str) -> None:
    output = CliRunner().invoke(app, [command, "--help"], env={"COLUMNS": "200", "NO_COLOR": "1"}).stdout
    for name in SandboxRunOptions.__dataclass_fields__:
        assert f"--{name.replace('_', '-')}" in output


def test_each_command_explains_itself_after_one_letter() -> None:
    for words in ([], ["doctor"], ["audit"]):
        short = CliRunner().invoke(app, [*words, "-h"])
        assert short.exit_code == 0
        assert "Usage: " in short.stdout


def options_of(command: Any, path: str) -> Iterator[tuple[str, Any]]:
    """Each option of a command and of those below it, with the words that are typed for the command."""
    for parameter in command.params:
        yield path, parameter
    for name in command.list_commands(None) if isinstance(command, TyperGroup) else ():
        yield from options_of(command.get_command(None, name), f"{path} {name}".strip())


def test_user_of_each_command_is_a_sub_and_only_those_of_the_sandbox_take_a_name() -> None:
    explained = {
        path: str(parameter.help)
        for path, parameter in options_of(get_command(app), "")
        if "--user" in parameter.opts and isinstance(parameter, TyperOption)
    }
    assert {"chat", "token", "stop", "revoke", "grants", "audit show"} <= explained.keys()
    assert [path for path, text in explained.items() if not re.search(r"\bsub\b", text)] == []
    assert {path for path, text in explained.items() if "name" in text} == {"chat", "token"}
