"""A misspelt variable is a warning with the nearest name; a variable of another program is not."""

import json
import signal
from pathlib import Path

import pytest
from typer.testing import CliRunner

from agent.commands.command_line import app
from agent.commands.terminal import environment
from agent.settings.settings import variables
from agent.settings.variable_names import misspelt_variables
from tests.command import forked
from tests.suite import Sandbox

FOREIGN = """
    PATH HOME USER LOGNAME SHELL PWD OLDPWD SHLVL TERM COLORTERM LANG LANGUAGE LC_ALL LC_CTYPE TZ PS1 IFS
    EDITOR VISUAL PAGER HOSTNAME HOST PORT DISPLAY TMPDIR TEMP TMP MAIL NO_COLOR FORCE_COLOR LD_LIBRARY_PATH
    XDG_RUNTIME_DIR XDG_CONFIG_HOME DBUS_SESSION_BUS_ADDRESS
    SSH_AUTH_SOCK SSH_AGENT_PID SSH_CLIENT SSH_CONNECTION GPG_AGENT_INFO GIT_DIR GIT_SSH_COMMAND
    HTTP_PROXY HTTPS_PROXY NO_PROXY ALL_PROXY http_proxy https_proxy no_proxy
    REQUESTS_CA_BUNDLE CURL_CA_BUNDLE SSL_CERT_DIR NODE_EXTRA_CA_CERTS
    NODE_ENV NODE_OPTIONS NPM_CONFIG_PREFIX JAVA_HOME GOPATH CARGO_HOME
    PYTHONPATH PYTHONUNBUFFERED PYTHONUTF8 PYTHONDONTWRITEBYTECODE VIRTUAL_ENV CONDA_PREFIX PIP_INDEX_URL
    UV_CACHE_DIR PYTEST_CURRENT_TEST UVICORN_PORT WEB_CONCURRENCY
    CI BUILD_NUMBER GITHUB_ACTIONS GITHUB_TOKEN GITLAB_CI RUNNER_OS
    AGENT_NAME AGENT_ID AGENT_OS AGENT_VERSION AGENT_WORKFOLDER AGENT_TEMPDIRECTORY AGENT_HOMEDIRECTORY
    AGENT_MACHINENAME AGENT_JOBSTATUS
    KUBERNETES_SERVICE_HOST KUBERNETES_SERVICE_PORT
    AGENT_SERVICE_HOST AGENT_SERVICE_PORT AGENT_PORT_9002_TCP AGENT_PORT_9002_TCP_ADDR
    AWS_REGION AWS_ACCESS_KEY_ID AZURE_CLIENT_ID GOOGLE_APPLICATION_CREDENTIALS
    ALIBABA_CLOUD_ACCESS_KEY_ID ALIBABA_CLOUD_ACCESS_KEY_SECRET ALIBABA_CLOUD_REGION_ID
    FC_FUNCTION_NAME FC_SERVER_PORT
    DASHSCOPE_API_KEY OPENAI_API_KEY OPENAI_BASE_URL OPENAI_MODEL ANTHROPIC_API_KEY LLM_API_KEY LLM_PROVIDER
    LANGSMITH_TRACING LANGSMITH_API_KEY LANGSMITH_PROJECT LANGCHAIN_TRACING_V2 LANGGRAPH_API_KEY
    REDIS_URL DATABASE_URL POSTGRES_URL LOG_LEVEL LOG_FILE DEBUG MAX_CONNECTIONS MAX_WORKERS
    OTEL_SERVICE_NAME OTEL_EXPORTER_OTLP_ENDPOINT IDAAS_CLIENT_SECRET ENV_PRIVATE_KEY
    INVOCATION_ID JOURNAL_STREAM LISTEN_FDS NOTIFY_SOCKET SYSTEMD_EXEC_PID
    WSL_DISTRO_NAME TERM_PROGRAM VSCODE_PID
""".split()  # noqa: SIM905 - a line for each kind of program
"""Of shells, SSH and Git, proxies, languages, CI, Kubernetes, clouds, models, tracing, databases, systemd."""


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        ("LLM_MODLE", "LLM_MODEL"),
        ("AGENT_PRT", "AGENT_PORT"),
        ("AGENT_AUDIANCE", "AGENT_AUDIENCE"),
        ("ACCESS_IDENTITIY", "ACCESS_IDENTITY"),
        ("MAX_REQUEST_PER_MINUTE", "MAX_REQUESTS_PER_MINUTE"),
        ("ENTERPRISE_SERVICE_URI", "ENTERPRISE_SERVICE_URL"),
        ("IDAAS_AGENT_ACESS_TOKEN", "IDAAS_AGENT_ACCESS_TOKEN"),
        ("llm_model", "LLM_MODEL"),
    ],
)
def test_misspelt_variable_is_named_with_the_nearest_one(written: str, meant: str) -> None:
    [warning] = misspelt_variables({written: "value-never-shown", "PATH": "/bin"})
    assert written in warning
    assert meant in warning
    assert "value-never-shown" not in warning


def test_misspelt_variable_is_named_although_the_right_one_is_set() -> None:
    assert misspelt_variables({"LLM_MODLE": "a", "LLM_MODEL": "b"})


def test_variables_of_the_agent_and_of_other_programs_are_no_warning() -> None:
    assert len(FOREIGN) > 120
    assert misspelt_variables(dict.fromkeys([*FOREIGN, *variables()], "x")) == []


async def test_serve_logs_the_warning(sandbox: Sandbox, tmp_path: Path) -> None:
    given = sandbox.environment | {"LLM_MODLE": "qwen-max"}
    async with forked("serve", "--port", "0", folder=tmp_path, **given) as serve:
        await serve.says("listening")
        serve.send_signal(signal.SIGTERM)
    records = [json.loads(line) for line in serve.printed.splitlines()]
    [record] = [record for record in records if "LLM_MODLE" in str(record)]
    assert record["level"].lower() == "warning"
    assert "LLM_MODEL?" in str(record)


@pytest.mark.parametrize("command", [["doctor", "--json"], ["serve"]])
def test_failing_command_prints_the_warning(command: list[str]) -> None:
    result = CliRunner().invoke(app, command, env={"LLM_MODLE": "x", "CLOUD_IDAAS_CONFIG_PATH": "/nowhere"})
    assert result.exit_code == 1
    assert "LLM_MODEL?" in result.stderr
    assert "LLM_MODLE" not in result.stdout


# --- --env-file --------------------------------------------------------------------------------


def test_environment_takes_precedence_over_the_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "agent.env"
    file.write_text("LLM_MODEL=of-the-file\nAGENT_HOST=of-the-file\nMAX_RUNS=7\n")
    monkeypatch.setenv("LLM_MODEL", "of-the-environment")
    monkeypatch.setenv("AGENT_HOST", " ")
    monkeypatch.delenv("MAX_RUNS", raising=False)
    found = environment([file])
    assert found["LLM_MODEL"] == "of-the-environment"
    assert found["AGENT_HOST"] == "of-the-file"  # an empty variable counts as not set
    assert found["MAX_RUNS"] == "7"


@pytest.mark.parametrize("command", ["serve", "doctor"])
def test_help_states_the_precedence_of_variables(command: str) -> None:
    output = CliRunner().invoke(app, [command, "--help"], env={"COLUMNS": "200", "NO_COLOR": "1"}).stdout
    assert "The environment takes precedence" in " ".join(output.split())


@pytest.mark.parametrize("credential", ["TRAVEL_SERVICE_SCOPE", "TRAVEL_API_KEY_IDENTIFIER"])
def test_variables_of_an_added_service_are_no_warning(credential: str) -> None:
    assert misspelt_variables({"TRAVEL_SERVICE_URL": "u", credential: "s"}) == []
    assert misspelt_variables({"TRAVEL_SERVICE_SCOPE": "s"})


def test_misspelt_url_of_a_service_is_named_although_its_scope_is_right() -> None:
    [warning] = misspelt_variables({"LAEVE_SERVICE_URL": "u", "LEAVE_SERVICE_SCOPE": "s"})
    assert "LEAVE_SERVICE_URL" in warning
