"""What is installed without an extra: the library works, and what needs an extra names it."""

import asyncio
import importlib.metadata
import json
import re
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from agent.one_package import INNER
from idaas_agent.extras import EXTRAS
from sandbox.server.server import RunningSandbox
from tests.clock import SettableClock
from tests.databases.postgres_process import PostgresProcess
from tests.databases.postgres_server import stored_in
from tests.deploy.shipped import ROOT, closure, installed_wheel, run_alone
from tests.leave_application import LEAVE
from tests.suite import Sandbox

SERVERS = """
fastapi starlette uvicorn openai langchain_openai mcp langchain_mcp_adapters redis psycopg opentelemetry.sdk
prometheus_client typer rich jinja2 langserve google.protobuf
"""
MAIN = "from idaas_agent.agent.cli import main; main()"
TYPED = """
import json, sys
from contextlib import redirect_stderr, redirect_stdout
from io import StringIO
from idaas_agent.agent.cli import main

results = []
for command in json.loads(sys.argv[1]):
    sys.argv = ["idaas-agent", *command]
    with redirect_stdout(StringIO()) as output, redirect_stderr(StringIO()) as errors:
        try:
            main()
        except SystemExit as ended:
            status = ended.code or 0
    results.append((status, output.getvalue(), errors.getvalue()))
print(json.dumps(results))
"""
"""The exit status of each command, and what it prints."""
IMPORTED = re.compile(r"^[ \t]*(?:from|import) (\w+)(?:[.\w]*)(?= import\b| as\b|$)", re.MULTILINE)
"""A package, at the beginning of a line: parsing all files takes seconds."""
OF_USERS = {"langchain", "aegra_api", "sqlalchemy"}
"""Imported where a user has them: with LangChain's middleware, and in the environment of Aegra."""
KIT = """
import asyncio
from idaas_agent import READS
from idaas_agent.testing import AgentUnderTest, ScriptedModel, ToolsUnderTest, call

def service(payroll, settings):
    @payroll.tool(policy=READS)
    async def payslip(http, month: str):
        "Gets a payslip."
        return (await http.get("payslips", month)).text

tools = ToolsUnderTest(service)
tools.responds(json={"net": 8000})
agent = AgentUnderTest(ScriptedModel(call("payslip", month="2026-10"), "8,000 yuan."), tools)
print(asyncio.run(agent.ask("My payslip?")), tools.requests[0].acts_for)
"""

OLD_SERVER = """
import asyncio, time
from idaas_agent import AccessIdentity, ApiKeyRequirement, Credential, MCPService, Secret, ServiceError

async def not_found(reader, writer):
    await reader.readuntil(b"\\r\\n\\r\\n")
    writer.write(b"HTTP/1.1 404 Not Found\\r\\nContent-Length: 0\\r\\nConnection: close\\r\\n\\r\\n")
    await writer.drain()
    writer.close()

class Access:
    caller = principal = None

    async def credential(self):
        return Credential(key, AccessIdentity.MACHINE, Secret("K1"), time.time() + 600, None)

    cached = lambda self: None

async def list_tools():
    async with await asyncio.start_server(not_found, "127.0.0.1", 0) as server:
        port = server.sockets[0].getsockname()[1]
        service = MCPService("maps", f"http://127.0.0.1:{port}/mcp", key)
        try:
            await service.tools(Access())
        except ServiceError as error:
            print(error.detail)
        await service.aclose()

key = ApiKeyRequirement("key")
asyncio.run(list_tools())
"""

NEEDED = {
    "import idaas_agent.surfaces": "MissingExtraError: a surface of your own needs idaas-agent[server]",
    "from idaas_agent import Identity; Identity.from_env().user": (
        "MissingExtraError: identity.user needs idaas-agent[server]"
    ),
    "from idaas_agent import Identity; Identity.from_env().middleware()": (
        "MissingExtraError: identity.middleware needs the package langchain"
    ),
    "from idaas_agent import Identity; Identity.from_env(approvals='postgresql://db/approvals')": (
        'approvals="postgresql://…" needs idaas-agent[postgres]'
    ),
}
"""What a program of the base uses, and what it is told."""
PROGRAMS = {
    "names": "import idaas_agent, idaas_agent.variables\n"
    "print(*(name for name in idaas_agent.__all__ if getattr(idaas_agent, name)))",
    "kit": KIT,
    "old server": OLD_SERVER,
    **{program: program for program in NEEDED},
}
IN_TURN = """
import json, sys, traceback
from contextlib import redirect_stdout
from io import StringIO

printed = {}
for name, program in json.loads(sys.argv[1]).items():
    with redirect_stdout(StringIO()) as output:
        try:
            exec(program, {"__name__": "__main__"})
        except Exception:
            print(traceback.format_exc())
    printed[name] = output.getvalue()
print(json.dumps(printed))
"""

LIBRARY_APP = """
import asyncio, json, os, sys
from langchain_core.messages import AIMessage
from langgraph.checkpoint.memory import InMemorySaver
from langgraph.graph import START, MessagesState, StateGraph
from langgraph.types import Command
from idaas_agent import Identity, IdentityContext

async def answered():
    services, approvals, leave = sys.argv[1:]
    identity = Identity.from_env(approvals=approvals)
    builder = StateGraph(MessagesState, context_schema=IdentityContext).add_edge(START, "tools")
    builder.add_node("tools", identity.tool_node(await identity.tools(services)))
    graph = builder.compile(checkpointer=InMemorySaver())
    context = IdentityContext(access_token=os.environ["ACCESS_TOKEN"])
    run = {"config": {"configurable": {"thread_id": "1"}}, "context": context}
    calls = [
        {"name": "leave_balance", "args": {}, "id": "1"},
        {"name": "leave_apply", "args": json.loads(leave), "id": "2"},
    ]
    state = await graph.ainvoke({"messages": [AIMessage("", tool_calls=calls)]}, **run)
    [question] = state["__interrupt__"]
    print([action["name"] for action in question.value["action_requests"]])
    state = await graph.ainvoke(Command(resume={"decisions": [{"type": "approve"}]}), **run)
    print([message.status for message in state["messages"][1:]])
    await identity.aclose()

asyncio.run(answered())
"""
SERVICES = """
[services.leave]
type = "http"
url = "{url}"
access_token = "https://leave.sandbox.example|leave.write"
access_identity = "Human"
python = "idaas_agent.tools.leave:service"
"""


@pytest.fixture(scope="module")
def base(unpacked_wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel without an extra."""
    return installed_wheel(unpacked_wheel, tmp_path_factory.mktemp("base"))


@pytest.fixture(scope="module")
def printed_in_the_base(base: Path, running_sandbox: tuple[RunningSandbox, SettableClock]) -> dict[str, str]:
    """What each of `PROGRAMS` printed there, or why it ended: one process runs them one after the other."""
    running, _ = running_sandbox
    done = run_alone(base, f"exec({IN_TURN!r})", json.dumps(PROGRAMS), **running.environment)
    assert (done.returncode, done.stderr) == (0, "")
    printed: dict[str, str] = json.loads(done.stdout)
    return printed


def test_every_public_name_is_there_in_the_base(printed_in_the_base: dict[str, str]) -> None:
    assert {"HTTPService", "MCPService", "build_graph"} <= {*printed_in_the_base["names"].split()}


def test_tool_and_graph_are_tested_in_the_base(printed_in_the_base: dict[str, str]) -> None:
    assert printed_in_the_base["kit"] == "8,000 yuan. user\n"


def test_mcp_server_of_an_older_version_says_which_extra_it_needs(
    printed_in_the_base: dict[str, str],
) -> None:
    needed = "a version of MCP before 2026-07-28, which needs idaas-agent[mcp]"
    assert needed in printed_in_the_base["old server"]


@pytest.mark.parametrize("program", NEEDED)
def test_part_of_the_library_says_what_it_needs(printed_in_the_base: dict[str, str], program: str) -> None:
    assert NEEDED[program] in printed_in_the_base[program]


async def assert_library_app_works(site: Path, approvals: str, folder: Path, sandbox: Sandbox) -> None:
    services = folder / "services.toml"
    services.write_text(SERVICES.format(url=sandbox.environment["LEAVE_SERVICE_URL"]))
    arguments = [str(services), approvals, json.dumps(LEAVE)]
    variables = sandbox.environment | {"ACCESS_TOKEN": sandbox.access_token("alice")}
    done = await asyncio.to_thread(run_alone, site, f"exec({LIBRARY_APP!r})", *arguments, **variables)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout == "['leave_apply']\n['success', 'success']\n"


async def test_library_app_reads_asks_and_writes_in_the_base(
    base: Path, tmp_path: Path, sandbox: Sandbox
) -> None:
    await assert_library_app_works(base, f"sqlite:///{tmp_path}/approvals.db", tmp_path, sandbox)
    assert (tmp_path / "approvals.db").is_file()


async def test_library_app_keeps_approvals_in_postgresql_with_that_extra(
    unpacked_wheel: Path, tmp_path: Path, sandbox: Sandbox, postgres: PostgresProcess
) -> None:
    site = installed_wheel(unpacked_wheel, tmp_path / "site", "postgres")
    await assert_library_app_works(site, postgres.url, tmp_path, sandbox)
    assert "begun-" in stored_in(postgres)


def test_command_line_says_which_extra_it_needs(base: Path) -> None:
    done = run_alone(base, MAIN, "serve")
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr == "idaas-agent: the command line needs idaas-agent[server]\n"


def test_sandbox_runs_with_its_extra_and_the_other_commands_name_theirs(
    unpacked_wheel: Path, tmp_path: Path, sandbox: Sandbox
) -> None:
    site = installed_wheel(unpacked_wheel, tmp_path, "sandbox")
    commands = [
        ["--help"],
        ["sandbox", "--help"],
        ["serve", "--port", "0"],
        ["up", "--agent-port", "0", "--page-port", "0"],
    ]
    done = run_alone(site, f"exec({TYPED!r})", json.dumps(commands), **sandbox.environment)
    assert (done.returncode, done.stderr) == (0, "")
    listed, alone, *others = json.loads(done.stdout)
    for status, _, errors in (listed, alone):
        assert (status, errors) == (0, "")
    assert others == [[1, "", "this command cannot run: it needs idaas-agent[server]\n"]] * 2


@pytest.mark.parametrize("extra", ["mcp", "otel", "policy", "postgres", "redis", "sandbox"])
def test_extra_of_the_server_has_what_the_others_have(extra: str) -> None:
    assert closure(extra) <= closure("server", "policy")


def test_library_loads_nothing_of_a_server_and_fastapi_when_it_is_used(sandbox: Sandbox) -> None:
    code = """
import json, sys
import langgraph.graph, langchain_core.tools  # langgraph itself is a namespace
before = set(sys.modules)
import idaas_agent, idaas_agent.testing
for name in idaas_agent.__all__:
    getattr(idaas_agent, name)
identity = idaas_agent.Identity.from_env()
loaded = [name for name in sys.argv[1:] if name in sys.modules and name not in before]
identity.user
print(json.dumps([loaded, "fastapi" in sys.modules]))
"""
    command = [sys.executable, "-c", code, *SERVERS.split()]
    variables = sandbox.environment | {"PATH": ""}
    done = subprocess.run(command, cwd=ROOT, env=variables, capture_output=True, text=True, check=True)  # noqa: S603 - this test's own command
    assert json.loads(done.stdout) == [[], True]


def imported_modules() -> Iterator[tuple[str, Path]]:
    """The packages that the product imports, wherever it does, each with a file."""
    own = {*INNER, "idaas_agent", *sys.stdlib_module_names}
    for folder in (*INNER, "idaas_agent"):
        for file in (ROOT / folder).rglob("*.py"):
            if "tests" in file.relative_to(ROOT).parts:
                continue
            for name in IMPORTED.findall(file.read_text("utf-8")):
                if name not in own:
                    yield name, file


def test_each_imported_package_is_in_the_base_or_has_the_extra_that_messages_name() -> None:
    distributions = importlib.metadata.packages_distributions()
    optional = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["optional-dependencies"]
    of_base = closure()
    unnamed = {
        f"{module} of {file.relative_to(ROOT)}"
        for module, file in imported_modules()
        if module not in OF_USERS
        and module not in EXTRAS
        and not of_base & {*map(canonicalize_name, distributions[module])}
    }
    assert unnamed == set()
    for module, extra in EXTRAS.items():
        names = {*map(canonicalize_name, distributions[module])}
        assert not names & of_base, module
        assert names & {canonicalize_name(Requirement(text).name) for text in optional[extra]}, module
