"""The examples run: `examples/my_agent` as `idaas-agent new` copies it."""

import base64
import json
import re
import subprocess
import sys
from pathlib import Path

import pytest
from dotenv import dotenv_values
from langchain_core.messages import HumanMessage
from typer.testing import CliRunner

from agent.commands.command_line import app
from agent.composition.agent import Agent
from agent.runs.run import end_of
from agent.settings.settings import read_settings
from identity.secrets.secret import Secret
from sandbox.server.server import SandboxOptions, start_sandbox
from tests.tools.mcp_service.mcp_server import Server

EXAMPLES = Path(__file__).parent.parent / "examples"
REPORTS = """
[services.reports]
permissions = ["reports.read"]

[[grants]]
scope = "reports|reports.read"
to = ["agent", "alice"]
"""


@pytest.fixture
def project(tmp_path, monkeypatch):
    """The folder of a new project."""
    monkeypatch.chdir(tmp_path)
    made = CliRunner().invoke(app, ["new", "my-payroll"])
    assert made.exit_code == 0, made.output
    return tmp_path / "my-payroll"


@pytest.fixture
def running(project):
    """The sandbox as `idaas-agent up` starts it in the project, with the service of the other example too."""
    config = project / "sandbox.toml"
    config.write_text(config.read_text() + REPORTS)
    ports = dict.fromkeys(("idaas_port", "idaas_plain_port", "model_studio_port", "function_compute_port"), 0)
    with start_sandbox(SandboxOptions(folder=project / ".sandbox", config=config, **ports)) as running:
        yield running


def test_new_project_passes_its_test_and_is_not_made_twice(project):
    names = {path.relative_to(project).as_posix() for path in project.rglob("*") if path.is_file()}
    assert names >= {"test_my_payroll.py", ".github/workflows/test.yml", "Dockerfile", "sandbox.toml"}
    texts = "".join(path.read_text() for path in project.rglob("*") if path.is_file())
    assert "my-agent" not in texts
    assert "my_agent" not in texts
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", project]
    passed = subprocess.run(command, cwd=project, capture_output=True, text=True, check=False)  # noqa: S603
    assert "4 passed" in passed.stdout, passed.stdout
    again = CliRunner().invoke(app, ["new", "my-payroll"])
    assert (again.exit_code, CliRunner().invoke(app, ["new", "../x"]).exit_code) == (1, 1)


def test_langgraph_server_runs_the_wheel_as_it_runs_the_repository():
    ours = (EXAMPLES.parent / "langgraph.json").read_text().replace("./agent/", "idaas_agent/agent/")
    moved = re.sub(
        r"idaas_agent/[\w/]+\.py", lambda path: path[0].removesuffix(".py").replace("/", "."), ours
    )
    of_project = json.loads((EXAMPLES / "my_agent" / "langgraph.json").read_text())
    assert of_project | {"python_version": "3.11"} == json.loads(moved)


async def test_new_project_answers_in_the_sandbox_by_its_tool_and_its_graph(project, running, monkeypatch):
    monkeypatch.chdir(project)
    declared = project / "services.toml"
    address = running.cloud.addresses.function_compute
    declared.write_text(declared.read_text().replace("https://localhost:9445", address))
    agent = Agent(read_settings(running.environment | dotenv_values("dev.env")))
    try:
        caller = await agent.verifier.verify(Secret(running.cloud.user_token("alice")))
        answers = [
            (await end_of(agent.runs.start([HumanMessage(text)], caller, streaming=False)))[0].text
            for text in ('call payslip with {"month": "2026-10"}', "What is the salary of Bob?")
        ]
    finally:
        await agent.aclose()
    assert "/echo/payroll/payslips/2026-10" in answers[0]
    assert "payroll.read" in answers[0]
    assert answers[1] == "I only speak about your own salary."


async def test_mcp_server_gets_a_token_of_the_user_that_is_for_it_alone(project, running, serve, tmp_path):
    server, tokens = Server(), []

    async def with_token(scope, receive, send):
        if scope["type"] == "http":
            given = dict(scope["headers"])
            tokens.append(given.pop(b"authorization").removeprefix(b"Bearer "))
            scope = {**scope, "headers": [*given.items(), (b"authorization", b"Bearer K1")]}
        await server(scope, receive, send)

    text = (EXAMPLES / "mcp_on_behalf_of" / "services.toml").read_text()
    (tmp_path / "services.toml").write_text(
        text.replace("https://reports.example.com", await serve(with_token))
    )
    variables = {"SERVICES_FILE": str(tmp_path / "services.toml"), "ACCEPTED_TOOLS_FILE": str(tmp_path / "a")}
    agent = Agent(read_settings(running.environment | variables))
    try:
        caller = await agent.verifier.verify(Secret(running.cloud.user_token("alice")))
        question = [HumanMessage('call weather with {"city": "Hangzhou"}')]
        end, _ = await end_of(agent.runs.start(question, caller, streaming=False))
    finally:
        await agent.aclose()
    assert "sunny in Hangzhou" in end.text
    [payload] = {token.split(b".")[1] for token in tokens}
    claims = json.loads(base64.urlsafe_b64decode(payload + b"=="))
    assert (claims["sub"], claims["aud"]) == ("user_alice01", "https://reports.sandbox.example")
    assert claims["scope"] == "reports.read"
