"""docs/extending.md runs as printed; only the addresses of the sandbox and of the MCP server differ."""

import json
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest
from langchain_core.messages import HumanMessage
from starlette.applications import Starlette
from starlette.responses import JSONResponse
from starlette.routing import Route
from typer.testing import CliRunner

from agent.commands.command_line import app
from agent.composition.agent import Agent
from agent.runs.run import end_of
from agent.settings.settings import read_settings
from identity.errors import ConfigurationError
from identity.principal import AccessIdentity
from identity.secrets.secret import Secret
from sandbox.server.server import SandboxOptions, start_sandbox
from tests.graph.models.strict_endpoint import strict
from tests.graph.models.wire_model import WireModel
from tests.tools.mcp_service.mcp_server import Server
from tools.approval_policy import Effect
from tools.service import Access

PAGE = (Path(__file__).parent.parent / "docs" / "extending.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"<!-- (\S+) -->\n```\w+\n(.*?)```", PAGE, re.DOTALL)
SANDBOX, MCP_SERVER = "https://localhost:9445", "https://maps.example.com"
MODEL, GATEWAY = "https://models.example.com", "https://gateway.example.com"


def printed(name: str) -> str:
    return "\n".join(text for block, text in BLOCKS if block == name)


@pytest.fixture
def running(tmp_path, monkeypatch):
    """A sandbox on free ports, after the page's commands."""
    monkeypatch.chdir(tmp_path)
    ports = dict.fromkeys(("idaas_port", "idaas_plain_port", "model_studio_port", "function_compute_port"), 0)
    options = SandboxOptions(folder=tmp_path / ".sandbox", config=tmp_path / "sandbox.toml", **ports)
    with start_sandbox(options) as running:
        for command in printed("commands").splitlines():
            if command:
                program, *arguments = shlex.split(command)
                url = running.cloud.addresses.idaas_plain
                result = CliRunner().invoke(app, [*arguments, "--sandbox-url", url])
                assert (program, result.exit_code) == ("idaas-agent", 0), result.output
        yield running


@pytest.fixture
async def agent(running, serve, tmp_path):
    """The agent with the page's files; `maps` is an MCP server of the test."""
    server, keys = Server(), []

    async def with_api_key(scope, receive, send):
        if scope["type"] == "http":
            given = dict(scope["headers"])
            keys.append(given.pop(b"x-api-key", None))
            scope = {**scope, "headers": [*given.items(), (b"authorization", b"Bearer K1")]}
        await server(scope, receive, send)

    server.keys = {"K1"}
    for name in ("payroll.py", "rates.py", "expenses.py"):
        (tmp_path / name).write_text(printed(name))
    declared = printed("services.toml").replace(SANDBOX, running.cloud.addresses.function_compute)
    declared = declared.replace(MCP_SERVER, await serve(with_api_key))
    (tmp_path / "services.toml").write_text(declared)
    variables = running.environment | {"SERVICES_FILE": str(tmp_path / "services.toml")}
    agent = Agent(read_settings(variables))
    agent.keys_of_maps = keys
    yield agent
    await agent.aclose()


async def access(agent: Agent, running, name: str) -> Access:
    caller = await agent.verifier.verify(Secret(running.cloud.user_token("alice")))
    return agent.access(name, caller)


def service(agent: Agent, name: str):
    return next(service for service in agent.services if service.name == name)


async def test_own_tool_calls_its_service_as_the_user(agent, running):
    payroll = service(agent, "payroll")
    result = await payroll.call("payslip", {"month": "2026-10"}, await access(agent, running, "payroll"))
    seen = json.loads(result.text)
    assert (seen["path"], seen["query"]) == ("/echo/payroll/payslips/2026-10", {"currency": ["CNY"]})
    assert seen["credential"]["claims"]["sub"] == "user_alice01"
    lines = [line for line in printed("payroll.py").splitlines() if line.strip()]
    assert len(lines) <= 15


def test_test_of_the_page_passes(tmp_path):
    for name in ("payroll.py", "test_payroll.py"):
        (tmp_path / name).write_text(printed(name))
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", tmp_path]
    passed = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)  # noqa: S603
    assert "1 passed" in passed.stdout, passed.stdout


async def test_stand_in_model_calls_an_own_tool_by_the_sentence_of_the_page(agent, running):
    (sentence,) = re.findall(r"`(call payslip with .+?)`", PAGE)
    caller = await agent.verifier.verify(Secret(running.cloud.user_token("alice")))
    answer, _ = await end_of(agent.runs.start([HumanMessage(sentence)], caller, streaming=False))
    assert "/echo/payroll/payslips/2026-10" in answer.text


async def test_existing_langchain_tool_calls_its_service_with_the_key_in_its_header(agent, running):
    rates = service(agent, "rates")
    (tool,) = await rates.tools(await access(agent, running, "rates"))
    assert list(tool.parameters["properties"]) == ["currency"]
    result = await rates.call("exchange_rate", {"currency": "EUR"}, await access(agent, running, "rates"))
    seen = json.loads(result.text)
    assert (seen["path"], "x-api-key" in seen["headers"]) == ("/echo/rates/rates/EUR", True)


async def test_tool_that_writes_asks_by_the_policy_of_the_code_or_of_the_file(agent, running):
    expenses = service(agent, "expenses")
    modes = [
        expenses.policy("submit_expense").mode_for({"amount": amount}, AccessIdentity.HUMAN)
        for amount in (500, 501, 20_001)
    ]
    assert modes == ["allow", "ask", "deny"]
    assert expenses.policy("remind_approver").effect is Effect.WRITE
    arguments = {"amount": 30, "reason": "taxi"}
    result = await expenses.call("submit_expense", arguments, await access(agent, running, "expenses"))
    seen = json.loads(result.text)
    assert (seen["path"], seen["credential"]["claims"]["sub"]) == ("/echo/expenses/submitted", "user_alice01")


async def test_second_mcp_server_gets_its_key_in_its_header_and_offers_the_allowed_tools(agent, running):
    maps, caller = service(agent, "maps"), await access(agent, running, "maps")
    assert [tool.name for tool in await maps.tools(caller)] == ["weather"]
    assert (await maps.call("weather", {"city": "Hangzhou"}, caller)).ok
    key = running.cloud.vault.find("maps_api_key").api_key
    assert set(agent.keys_of_maps) == {key.encode()}


def printed_variables(name: str) -> dict[str, str]:
    return dict(line.split("=", 1) for line in printed(name).splitlines() if line)


async def ask(variables: dict[str, str], token: str, *, streaming: bool) -> str:
    """The agent's response to a question about the weather."""
    agent = Agent(read_settings(variables))
    try:
        caller = await agent.verifier.verify(Secret(token))
        run = agent.runs.start([HumanMessage("Weather?")], caller, streaming=streaming)
        end, _ = await end_of(run)
        return end.text
    finally:
        await agent.aclose()


@pytest.mark.parametrize("streaming", [False, True])
async def test_openai_compatible_model_is_called_with_the_key_of_the_file(
    sandbox, serve, tmp_path, monkeypatch, streaming
):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "model.key").write_text("sk-of-the-provider\n")
    model = WireModel()
    model.answers = [strict]
    variables = {**sandbox.environment, **printed_variables("model.env")}
    del variables["LLM_API_KEY_IDENTIFIER"]
    variables["LLM_BASE_URL"] = variables["LLM_BASE_URL"].replace(MODEL, await serve(model))
    assert await ask(variables, sandbox.access_token(), streaming=streaming) == "Sunny"
    [request] = model.requests
    assert (request["model"], model.keys) == ("llama-3.3-70b", ["sk-of-the-provider"])
    assert request["tools"]


@pytest.mark.parametrize("streaming", [False, True])
async def test_own_provider_is_called_with_the_key_that_idaas_issues(
    sandbox, serve, tmp_path, monkeypatch, streaming
):
    (tmp_path / "my_gateway.py").write_text(printed("my_gateway.py"))
    monkeypatch.syspath_prepend(tmp_path)
    requests = []

    async def generate(request):
        body = await request.json()
        requests.append((request.headers["x-api-key"], body["model"], [m["from"] for m in body["dialog"]]))
        if len(requests) == 1:
            return JSONResponse(
                {
                    "complete": True,
                    "text": "",
                    "calls": [{"name": "call_enterprise_service", "arguments": {}, "id": "1"}],
                }
            )
        return JSONResponse({"complete": True, "text": "Sunny", "calls": []})

    gateway = Starlette(routes=[Route("/v2/generate", generate, methods=["POST"])])
    variables = {**sandbox.environment, **printed_variables("gateway.env")}
    variables["LLM_BASE_URL"] = variables["LLM_BASE_URL"].replace(GATEWAY, await serve(gateway))
    assert await ask(variables, sandbox.access_token(), streaming=streaming) == "Sunny"
    key = sandbox.cloud.vault.find("llm_api_key").api_key
    assert requests == [
        (key, "house-model", ["system", "human"]),
        (key, "house-model", ["system", "human", "ai", "tool"]),
    ]


@pytest.mark.parametrize(
    ("reference", "error"),
    [
        ("no_such_module:function", "ModuleNotFoundError"),
        ("ssl:no_function", "AttributeError"),
        ("ssl:SSLError", "TypeError"),
    ],
)
def test_provider_that_cannot_be_used_is_a_fault_beside_those_of_services(
    sandbox, tmp_path, reference, error
):
    file = tmp_path / "services.toml"
    file.write_text(printed("services.toml"))
    provider = printed_variables("gateway.env") | {"LLM_PROVIDER": reference}
    with pytest.raises(ConfigurationError) as caught:
        Agent(read_settings({**sandbox.environment, **provider, "SERVICES_FILE": str(file)}))
    *of_services, of_model = caught.value.faults
    assert len(of_services) == 3
    assert of_model.startswith(f"LLM_PROVIDER cannot be used: it raised {error}")
