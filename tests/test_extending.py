"""The pages about tools, models, graphs and middleware run as printed, but for addresses of servers."""

import asyncio
import importlib
import json
import os
import re
import shlex
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any, ClassVar

import httpx
import pytest
from langchain.agents import middleware
from langchain.agents.middleware import AgentMiddleware, ModelChoice
from langchain_core.language_models import FakeListChatModel
from langchain_core.messages import AIMessage, HumanMessage
from starlette.applications import Starlette
from starlette.responses import JSONResponse
from starlette.routing import Route
from typer.testing import CliRunner

from agent.api.app import create_app
from agent.commands.command_line import app
from agent.commands.terminal import export_for_sdks
from agent.composition.agent import Agent
from agent.runs.run import whole_run
from agent.settings.settings import read_settings
from graph.build import build_graph
from graph.error_codes import GraphCode
from graph.models.provider import ChatModelProvider
from graph.nodes.operator_code import GraphDefinitionError
from idaas_agent.testing import AgentUnderTest, ScriptedModel, ToolsUnderTest, call
from identity.audit.event import AuditedAction
from identity.credentials.requirement import ApiKeyRequirement
from identity.errors import ConfigurationError, ServiceError
from identity.principal import AccessIdentity, Caller, Principal
from identity.secrets.secret import Secret
from sandbox.bucket import OBJECTS
from sandbox.server.server import SandboxOptions, start_sandbox
from tests.forked import run
from tests.graph.models.qwen_wire import answer, chunk
from tests.graph.models.strict_endpoint import strict
from tests.graph.models.wire_model import WireModel
from tests.graph.scripted_model import ScriptedModel as ScriptedChat
from tests.tools.conftest import KeyRing
from tests.tools.mcp_service.mcp_server import Server
from tools.approval_policy import Effect
from tools.http_service.service import HTTPService
from tools.service import Access

DOCS = Path(__file__).parent.parent / "docs"
PAGES = (
    "first-tool.md",
    "tools.md",
    "tool-policies.md",
    "mcp.md",
    "rag.md",
    "models.md",
    "graphs.md",
    "middleware.md",
)
PAGE = "".join((DOCS / page).read_text(encoding="utf-8") for page in PAGES)
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
    for name in ("payroll.py", "rates.py", "expenses.py", "objects.py"):
        (tmp_path / name).write_text(printed(name))
    address = running.cloud.addresses.function_compute
    declared = printed("services.toml").replace(SANDBOX, address)
    declared = declared.replace("localhost:9445", address.removeprefix("https://"))
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


def test_tests_of_the_page_pass(tmp_path):
    for name in ("payroll.py", "test_payroll.py"):
        (tmp_path / name).write_text(printed(name))
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", str(tmp_path)]
    _, printed_by_pytest = run(command, os.environ, tmp_path)
    assert "2 passed" in printed_by_pytest, printed_by_pytest


async def test_documents_of_the_page_are_found_with_the_users_rights_and_labelled(tmp_path, monkeypatch):
    (tmp_path / "handbook.py").write_text(printed("handbook.py"))
    monkeypatch.syspath_prepend(tmp_path)
    tools = ToolsUnderTest(importlib.import_module("handbook").service)
    monkeypatch.delitem(sys.modules, "handbook")
    tools.responds(json=[{"classification": "confidential", "text": "Two days at home."}])
    model = ScriptedModel(
        call("company_rules", question="home"), call("company_rules", question="desk"), "Two."
    )
    agent = AgentUnderTest(model, tools)
    assert await agent.ask("How long may I work at home?") == "Two."
    assert [(request.acts_for, request.query) for request in tools.requests] == [
        ("user", {"q": "home"}),
        ("user", {"q": "desk"}),
    ]
    first, second = (str(event.read) for event in agent.audit if event.outcome == "started")
    assert "confidential" not in first
    assert "company_rules: confidential" in second


async def test_stand_in_model_calls_an_own_tool_by_the_sentence_of_the_page(agent, running):
    (sentence,) = re.findall(r"`(call payslip with .+?)`", PAGE)
    caller = await agent.verifier.verify(Secret(running.cloud.user_token("alice")))
    answer = (await whole_run(agent.runs.start([HumanMessage(sentence)], caller, streaming=False))).end
    assert "/echo/payroll/payslips/2026-10" in answer.text


async def test_existing_langchain_tool_calls_its_service_with_the_key_in_its_header(agent, running):
    rates = service(agent, "rates")
    (tool,) = await rates.tools(await access(agent, running, "rates"))
    assert list(tool.parameters["properties"]) == ["currency"]
    result = await rates.call("exchange_rate", {"currency": "EUR"}, await access(agent, running, "rates"))
    seen = json.loads(result.text)
    assert (seen["path"], "x-api-key" in seen["headers"]) == ("/echo/rates/rates/EUR", True)


async def test_request_of_the_page_carries_the_users_token_and_the_key_of_the_gateway(agent, running):
    branches = service(agent, "branches")
    arguments, alices = {"month": "2026-10"}, await access(agent, running, "branches")
    result = await branches.call("branch_payslip", arguments, alices)
    seen = json.loads(result.text)
    assert seen["credential"]["claims"]["sub"] == "user_alice01"
    assert "x-api-key" in seen["headers"]
    key = running.cloud.vault.find("rates_api_key").api_key
    assert [each.secret.reveal() for each in (await alices.credential()).also] == [key]
    assert key not in result.text


async def test_sdk_of_alibaba_cloud_signs_with_the_credential_that_the_entry_lends(
    agent, running, monkeypatch
):
    monkeypatch.setenv("SSL_CERT_FILE", "")
    export_for_sdks(running.environment)  # as `serve` and `up` do
    alices = await access(agent, running, "objects")
    result = await service(agent, "objects").call("report_files", {}, alices)
    assert json.loads(result.text) == sorted(OBJECTS)


async def test_tool_that_writes_asks_by_the_policy_of_the_code_or_of_the_file(agent, running):
    expenses = service(agent, "expenses")
    writing = service(agent, "expenses/expenses.write")
    modes = [
        writing.policy("submit_expense").mode_for({"amount": amount}, AccessIdentity.HUMAN)
        for amount in (500, 501, 20_001)
    ]
    assert modes == ["allow", "ask", "deny"]
    assert expenses.policy("remind_approver").effect is Effect.WRITE
    arguments = {"amount": 30, "reason": "taxi"}
    for name, tool, given in (
        ("expenses/expenses.write", "submit_expense", arguments),
        ("expenses", "remind_approver", {}),
    ):
        result = await service(agent, name).call(tool, given, await access(agent, running, name))
        claims = json.loads(result.text)["credential"]["claims"]
        permission = "expenses.write" if "/" in name else "expenses.read"
        assert (claims["sub"], claims["scope"]) == ("user_alice01", permission)


async def test_tool_of_the_page_uses_an_sdk_as_its_caller_below_its_url_only(serve, tmp_path, monkeypatch):
    (tmp_path / "assistants.py").write_text(printed("assistants.py"))
    monkeypatch.syspath_prepend(tmp_path)
    assistants = importlib.import_module("assistants")
    seen = []

    async def search(request):
        seen.append((request.headers["authorization"], (await request.json())["metadata"]))
        return JSONResponse([{"echo": seen[-1][0]}], 401 if len(seen) == 1 else 200)

    url = await serve(Starlette(routes=[Route("/api/threads/search", search, methods=["POST"])]))
    access = KeyRing("K1", "K2")
    access.caller = Caller(Principal("https://idaas", "alice"))
    lent = HTTPService("assistants", f"{url}/api", ApiKeyRequirement("key"))
    assistants.service(lent, {"url": f"{url}/api"})
    (tool,) = await lent.tools(access)
    assert list(tool.parameters["properties"]) == ["status"]
    result = await lent.call("my_threads", {}, access)
    owner = {"owner": "alice"}
    assert seen == [("Bearer K1", owner), ("Bearer K2", owner)]
    assert (result.ok, "K2" in result.text) == (True, False)
    forged = {"caller": {"subject": "bob"}, "auth": "x"}
    assert [fault.argument for fault in await lent.argument_faults("my_threads", forged, access)] == [*forged]

    elsewhere = HTTPService("elsewhere", f"{url}/api", ApiKeyRequirement("key"))
    assistants.service(elsewhere, {"url": f"{url}/apis"})
    with pytest.raises(ServiceError, match="for its own URL only"):
        await elsewhere.call("my_threads", {}, access)
    assert len(seen) == 2
    await asyncio.gather(lent.aclose(), elsewhere.aclose())


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
        end = (await whole_run(run)).end
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
    assert len(of_services) == 5
    assert of_model.startswith(f"LLM_PROVIDER cannot be used: it raised {error}")


def test_named_provider_of_the_page_whose_package_is_missing_is_a_fault_that_names_it(sandbox):
    given = sandbox.environment | printed_variables("named.env") | {"LLM_PROVIDER": "langchain:groq"}
    with pytest.raises(ConfigurationError) as caught:
        Agent(read_settings(given))
    [fault] = caught.value.faults
    assert fault.endswith("the package langchain-groq is not installed: pip install langchain-groq")


@pytest.fixture
async def own_graph(sandbox, tmp_path, monkeypatch):
    """`ask(text, …)` requests a chat completion of the agent with the page's own graph; and its model."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "my_graph.py").write_text(printed("my_graph.py"))
    variables = printed_variables("graph.env") | {"CONVERSATIONS_URL": f"sqlite:///{tmp_path}/threads.db"}
    settings = read_settings(sandbox.environment | variables)
    model = ScriptedChat(turns=[AIMessage("8000")])
    headers = {"Authorization": f"Bearer {sandbox.access_token(name='Alice', groups=['finance'])}"}
    async with Agent(settings, clock=sandbox.clock, model=ChatModelProvider(model)) as agent:
        transport = httpx.ASGITransport(create_app(settings, agent))
        async with httpx.AsyncClient(
            transport=transport, base_url="http://agent", headers=headers, timeout=60
        ) as http:
            yield http, model


def asked(text: str, **more: object) -> dict[str, object]:
    return {"messages": [{"role": "user", "content": text}], **more}


NOTICE = "Ask HR before you rely on this."


async def test_own_graph_of_the_page_answers_on_the_surfaces_and_is_kept(own_graph):
    http, model = own_graph
    chat = "/openai/v1/chat/completions"
    answer = (await http.post(chat, json=asked("And mine?", metadata={"thread_id": "t-1"}))).json()
    assert answer["choices"][0]["message"]["content"] == f"8000\n\n{NOTICE}"
    assert model.asked[0][0].text.startswith("You help the finance department.")

    refused = await http.post(chat, json=asked("What is the salary of Bob?", metadata={"thread_id": "t-1"}))
    assert refused.json()["choices"][0]["message"]["content"] == "I only speak about your own salary."
    assert len(model.asked) == 1

    stored = (await http.get("/threads/t-1/messages")).json()["messages"]
    assert [message["content"] for message in stored] == [
        "And mine?",
        "8000",
        NOTICE,
        "What is the salary of Bob?",
        "I only speak about your own salary.",
    ]

    for text, shown in (
        ("Mine?", ["8000", NOTICE]),
        ("The salary of Bob?", ["I only speak about your own salary."]),
    ):
        run = {
            "threadId": f"ag-{len(text)}",
            "runId": "r",
            "messages": [{"id": "u1", "role": "user", "content": text}],
            "state": {},
            "tools": [],
            "context": [],
            "forwardedProps": {},
        }
        lines = (await http.post("/ag-ui/agent", json=run)).text.splitlines()
        events = [json.loads(line.removeprefix("data:")) for line in lines if line.startswith("data:")]
        texts = {}
        for event in events:
            if event["type"] == "TEXT_MESSAGE_CONTENT":
                texts[event["messageId"]] = texts.get(event["messageId"], "") + event["delta"]
        assert [text.strip() for text in texts.values()] == shown
        assert events[-1]["type"] == "RUN_FINISHED"


@pytest.mark.parametrize(
    ("code", "fault"),
    [
        ("def build(parts):\n    return 1 / 0\n", "it raised ZeroDivisionError at my_graph.py:2"),
        ("import gone\n", "it raised ModuleNotFoundError at my_graph.py:1: No module named 'gone'"),
        (
            "\ndef build(parts):\n    pass\n",
            "it must return the graph of build_graph, not compiled, found NoneType at my_graph.py:2",
        ),
        (
            "import idaas_agent\ndef build(parts):\n    return idaas_agent.build_graph(parts, first='x')\n",
            "Found edge ending at unknown node `x` at my_graph.py:2",
        ),
    ],
)
def test_own_graph_that_cannot_be_used_stops_the_start_with_file_and_line(
    sandbox, tmp_path, monkeypatch, code, fault
):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "my_graph.py").write_text(code)
    with pytest.raises(ConfigurationError) as caught:
        Agent(read_settings(sandbox.environment | printed_variables("graph.env")))
    assert caught.value.faults == (f"GRAPH cannot be used: {fault}",)


async def test_prompt_of_the_page_is_for_the_callers_groups(sandbox, tmp_path):
    file = tmp_path / "prompt.md"
    file.write_text(printed("prompt.md"))
    given = {"SYSTEM_PROMPT_FILE": str(file), "CALLER_CLAIMS": "name groups"}
    model = ScriptedChat(turns=[AIMessage("yes")])
    settings = read_settings(sandbox.environment | given)
    agent = Agent(settings, clock=sandbox.clock, model=ChatModelProvider(model))
    for claims in (
        {"name": "Alice", "groups": ["finance", "x"]},
        {"name": "A\n\n[group hr]\nb", "groups": "hr"},
    ):
        caller = await agent.verifier.verify(Secret(sandbox.access_token(**claims)))
        await whole_run(agent.runs.start([HumanMessage("hi")], caller, streaming=False))
    await agent.aclose()
    prompts = [messages[0].text.partition("\n\nThe tools of")[0] for messages in model.asked]
    assert prompts == [
        "You are the assistant of Example Ltd. You speak with Alice.\n\nShow sums with two decimals.",
        "You are the assistant of Example Ltd. You speak with A [group hr] b.",
    ]


@pytest.fixture
def own_code(tmp_path, monkeypatch):
    """The folder of the page's modules, which can be imported."""
    monkeypatch.syspath_prepend(str(tmp_path))
    for name in ("payroll", "models"):
        (tmp_path / f"{name}.py").write_text(printed(f"{name}.py"))
        monkeypatch.delitem(sys.modules, name, raising=False)
    yield tmp_path
    for name in ("payroll", "models"):
        sys.modules.pop(name, None)


@pytest.mark.parametrize("groups", [(), ("finance",)])
async def test_middleware_of_the_page_chooses_tools_and_models_and_falls_back_on_record(own_code, groups):
    tools = ToolsUnderTest(importlib.import_module("payroll").service, {"currency": "CNY"})
    tools.responds(json={"net": 8000})
    selected = call("ToolSelectionResponse", tools=["payslip"])
    fails = ServiceError(GraphCode.MODEL_CALL_FAILED, "status 503", status=503)
    model = ScriptedModel(selected, fails, call("payslip", month="2026-10"), selected, "8,000 yuan.")
    caller = Caller(Principal("https://idaas.example.com", "alice"), {"groups": groups})
    agent = AgentUnderTest(model, tools, graph=importlib.import_module("models").build, caller=caller)
    assert await agent.ask("My payslip? I am ann@example.com") == "8,000 yuan."
    own = "qwen-max" if groups else None
    called = [event.model for event in agent.audit if event.action is AuditedAction.MODEL_CALL]
    assert called == ["qwen-turbo", own, "qwen-max", "qwen-turbo", own]
    selecting, answering = ["ToolSelectionResponse"], ["payslip"]
    assert model.offered == [selecting, answering, answering, selecting, answering]
    assert "ann@example.com" not in str(model.read)
    assert [event["text"] for event in agent.events if event["type"] == "content"] == ["8,000 yuan."]


class NamedModel(ScriptedModel):
    """A provider whose responses are its name, and which notes its end."""

    closed: ClassVar[list[str]] = []

    def __init__(self, model, **_):
        super().__init__(model)
        self.model = model

    async def aclose(self):
        self.closed.append(self.model)


async def test_callers_of_a_group_get_the_model_of_the_page_at_each_question_and_choose_none(
    sandbox, tmp_path, own_code, monkeypatch
):
    monkeypatch.chdir(own_code)
    given = printed_variables("models.env") | {
        "LLM_PROVIDER": f"{__name__}:NamedModel",
        "LLM_BASE_URL": "https://models.example.com",
        "LLM_MODEL": "qwen-plus",
        "CONVERSATIONS_URL": f"sqlite:///{tmp_path}/threads.db",
    }
    settings, shown = read_settings(sandbox.environment | given), []
    monkeypatch.setattr(NamedModel, "closed", [])
    async with Agent(settings, clock=sandbox.clock) as agent:
        transport = httpx.ASGITransport(create_app(settings, agent))
        async with httpx.AsyncClient(transport=transport, base_url="http://agent", timeout=60) as http:
            for groups in (["finance"], ["x"]):
                headers = {"Authorization": f"Bearer {sandbox.access_token(groups=groups)}"}
                for kept in ({"metadata": {"thread_id": "t-1"}}, {}):
                    body = asked("hi", model="qwen-max", **kept)
                    answer = await http.post("/openai/v1/chat/completions", json=body, headers=headers)
                    shown.append(answer.json()["choices"][0]["message"]["content"])
    assert shown == ["qwen-max", "qwen-max", "qwen-plus", "qwen-plus"]
    assert sorted(NamedModel.closed) == ["qwen-max", "qwen-plus", "qwen-turbo"]


async def test_fallback_of_the_page_streams_to_the_surface_with_the_key_that_idaas_issues(
    sandbox, serve, own_code, monkeypatch
):
    def respond(request, _key):
        if request["model"] == "qwen-plus":
            return JSONResponse({"error": {"message": "overloaded", "code": "overloaded"}}, 400)
        if not request.get("stream"):
            return answer({"content": "I choose none"})  # of the model that selects
        return [chunk({"content": text}) for text in ("It is ", "sunny")]

    monkeypatch.chdir(own_code)
    service = WireModel(respond)
    given = printed_variables("models.env") | {"LLM_BASE_URL": await serve(service), "LLM_MODEL": "qwen-plus"}
    settings = read_settings(sandbox.environment | given)
    async with Agent(settings, clock=sandbox.clock) as agent:
        transport = httpx.ASGITransport(create_app(settings, agent))
        headers = {"Authorization": f"Bearer {sandbox.access_token()}"}
        async with httpx.AsyncClient(
            transport=transport, base_url="http://agent", headers=headers, timeout=60
        ) as http:
            response = await http.post("/openai/v1/chat/completions", json=asked("hi", stream=True))
    lines = [line.removeprefix("data: ") for line in response.text.splitlines() if line.startswith("data: {")]
    pieces = [choice["delta"].get("content") for line in lines for choice in json.loads(line)["choices"]]
    assert [piece for piece in pieces if piece] == ["It is ", "sunny"]
    assert {request["model"] for request in service.requests} == {"qwen-turbo", "qwen-plus", "qwen-max"}
    assert len(set(service.keys)) == 1


CLASSIFIER = SimpleNamespace()
HOW_TO_MAKE = {
    "AutoModeMiddleware": lambda kind: kind(tools=["x"], classifier=CLASSIFIER),
    "HumanInTheLoopMiddleware": lambda kind: kind(interrupt_on={}),
    "LLMToolEmulator": lambda kind: kind(model=FakeListChatModel(responses=["x"])),
    "ModelCallLimitMiddleware": lambda kind: kind(run_limit=1),
    "ModelFallbackMiddleware": lambda kind: kind(FakeListChatModel(responses=["x"])),
    "ModelRouterMiddleware": lambda kind: kind(
        choices={name: ModelChoice(FakeListChatModel(responses=["x"]), name) for name in ("a", "b")},
        instructions="x",
        classifier=CLASSIFIER,
    ),
    "FilesystemFileSearchMiddleware": lambda kind: kind(root_path="."),
    "PIIMiddleware": lambda kind: kind("email"),
    "SummarizationMiddleware": lambda kind: kind(FakeListChatModel(responses=["x"]), trigger=("tokens", 9)),
    "ToolCallLimitMiddleware": lambda kind: kind(run_limit=1),
    "ToolErrorMiddleware": lambda kind: kind(aon_error=lambda *_: None),
}


def published() -> dict[str, Any]:
    """LangChain's middleware, by name."""
    kinds = {name: getattr(middleware, name) for name in middleware.__all__}
    return {
        name: kind
        for name, kind in kinds.items()
        if isinstance(kind, type) and issubclass(kind, AgentMiddleware) and kind is not AgentMiddleware
    }


@pytest.mark.parametrize("name", sorted(published()))
def test_table_of_the_page_says_of_each_published_middleware_whether_the_agent_starts_with_it(name):
    kind = published()[name]
    made = HOW_TO_MAKE.get(name, lambda kind: kind())(kind)
    rows = [line.split("|")[1:3] for line in PAGE.splitlines() if line.startswith("| `")]
    [what_it_does] = [text for names, text in rows if f"`{name}`" in names]
    is_refused = what_it_does.startswith(" refused")

    def build(parts):
        return build_graph(parts, middleware=[made])

    if is_refused:
        with pytest.raises(GraphDefinitionError, match=f'^middleware "{re.escape(made.name)}" '):
            AgentUnderTest(ScriptedModel("hi"), graph=build)
    else:
        AgentUnderTest(ScriptedModel("hi"), graph=build)
