"""What is shipped runs as documented, with a real PostgreSQL, a real Redis and a collector.

The installed tree and the unpacked package serve everything, with the operator's own tool.
"""

import asyncio
import json
import re
import signal
import subprocess
import sys
import zipfile
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx
import psycopg
import pytest
from redis import Redis

from plugins.package.agentrun import AgentRunOptions, package_agentrun
from plugins.package.carried import Configuration
from plugins.package.tests.own_files import ANSWER
from sandbox.faults.faults import Fault
from tests.agent.api.threads.test_run_routes import Events
from tests.agent.operations.test_otlp import Collector
from tests.command import Command, running
from tests.databases.postgres_process import PostgresProcess, programs
from tests.databases.redis_process import RedisProcess
from tests.deploy.shipped import ROOT
from tests.every_surface import of_plugins
from tests.running_agent import ENTERPRISE, WEATHER
from tests.security.test_routes import AGENT, requests
from tests.suite import Sandbox
from tests.until import until

PAGES = "".join((ROOT / "docs" / page).read_text(encoding="utf-8") for page in ("replicas.md", "runbook.md"))
CHAT = "/openai/v1/chat/completions"


def printed(name: str) -> str:
    """A block of docs/replicas.md or docs/runbook.md."""
    (found,) = re.findall(rf"<!-- {name} -->\n```\w*\n(.*?)```", PAGES, re.DOTALL)
    return str(found)


@pytest.fixture
def database(postgres_server: PostgresProcess) -> Iterator[str]:
    """The address of a database that was made as documented, for the role that has the documented rights."""
    administrator = postgres_server.url_of("postgres")
    psql = [programs() / "psql", "--quiet", "--set", "ON_ERROR_STOP=1", administrator]
    subprocess.run(psql, input=printed("role.sql"), text=True, check=True)  # noqa: S603 - as documented
    yield re.sub(r"//.*@", "//idaas_agent:sesame@", postgres_server.url_of("idaas_agent"))
    with psycopg.connect(administrator, autocommit=True) as connection:
        connection.execute("DROP DATABASE idaas_agent WITH (FORCE)")
        connection.execute("DROP ROLE idaas_agent")


@pytest.fixture
def shared(redis: RedisProcess) -> Iterator[str]:
    """The address of a Redis for the user that has the documented rights."""
    with Redis.from_url(redis.url) as administrator:
        administrator.execute_command(*printed("redis.acl").split())
        yield redis.url.replace("//", "//idaas_agent:sesame@")
        administrator.acl_deluser("idaas_agent")


def tree(installed: Path, found: Configuration) -> tuple[list[str], dict[str, str]]:
    """The command and the variables of the installed tree, with the files of the operator."""
    lines = (installed / "own" / "agent.env").read_text().splitlines()
    variables = dict(line.split("=", 1) for line in lines)
    moved = {name: value.replace("/opt/idaas-agent", str(installed)) for name, value in variables.items()}
    config = {"CLOUD_IDAAS_CONFIG_PATH": found.environment["CLOUD_IDAAS_CONFIG_PATH"]}
    return [str(installed / "bin" / "idaas-agent"), "serve"], moved | config


def unpacked(dependencies: Path, found: Configuration, folder: Path) -> tuple[list[str], dict[str, str]]:
    """The command and the variables of the package, unpacked where the platform has /code."""
    code = folder / "code"
    package_agentrun(found, AgentRunOptions(), folder / "package", source=ROOT, install=lambda _: None)
    with zipfile.ZipFile(folder / "package" / "code.zip") as archive:
        archive.extractall(code)
    (code / "python" / ".python-version").write_text(f"{sys.version_info.major}.{sys.version_info.minor}")
    import yaml

    document = yaml.safe_load((folder / "package" / "s.yaml").read_text())
    agent = document["resources"]["agent"]["props"]["agent"]
    variables = {
        name: value.replace("/code/", f"{code}/") for name, value in agent["environmentVariables"].items()
    }
    assert agent["code"]["command"] == ["python3", "main.py"]
    # The interpreter outside of the virtual environment knows neither the repository nor its packages.
    return [sys._base_executable, str(code / "main.py")], variables | {"PYTHONPATH": str(dependencies)}


@asynccontextmanager
async def http_of(command: Command, token: str, ready: int = 200) -> AsyncIterator[httpx.AsyncClient]:
    origin, caller = f"http://127.0.0.1:{await command.port()}", {"Authorization": f"Bearer {token}"}
    async with httpx.AsyncClient(base_url=origin, headers=caller, timeout=60, trust_env=False) as http:

        async def is_ready() -> bool:
            return (await http.get("/ready")).status_code == ready

        await until(is_ready)
        yield http


async def answer(http: httpx.AsyncClient, question: str) -> str:
    body = {"messages": [{"role": "user", "content": question}]}
    response = await http.post(CHAT, json=body)
    assert response.status_code == 200, response.text
    return str(response.json()["choices"][0]["message"]["content"])


async def asks(http: httpx.AsyncClient, thread: str, question: str) -> dict[str, Any]:
    """What the run of `question` asks its user."""
    messages = [{"role": "user", "content": question}]
    asked = {"messages": messages, "stream": True, "metadata": {"thread_id": thread}}
    assert "approval_required" in (await http.post(CHAT, json=asked)).text
    [approval] = (await http.get(f"/threads/{thread}")).json()["approvals"]
    return dict(approval)


async def goes_on(http: httpx.AsyncClient, thread: str, approval: dict[str, Any]) -> None:
    """The user approves, and the run ends."""
    path = f"/threads/{thread}/approvals/{approval['id']}"
    approved = await http.post(path, json={"decision": "approve"})
    assert approved.status_code == 202, approved.text
    async with http.stream("GET", f"/threads/{thread}/events") as following:
        assert (await Events(following).rest())[-1]["type"] == "RUN_FINISHED"


async def serves_everything(http: httpx.AsyncClient, sandbox: Sandbox) -> None:
    """Every route, the two questions, the own tool, and calls that wait for an approval and a consent."""
    for path, name, value in of_plugins("SHIPPED"):
        shown = await http.get(path)
        assert (shown.status_code, shown.json()[name]) == (200, value), path
    assert "Hangzhou" in await answer(http, WEATHER)
    assert "enterprise" in await answer(http, ENTERPRISE)
    told = await answer(http, "Call payday")
    assert ANSWER in told
    assert "says its own graph" in told
    approval = await asks(http, "leave", "Apply for three days of leave from Monday")
    await goes_on(http, "leave", approval)
    assert sandbox.cloud.counters.snapshot()["function_compute:leave_applied"] == 1
    consent = await asks(http, "calendar", "Call appointments")
    assert consent["kind"] == "consent_required"
    assert "Allowed" in (await http.post(consent["url"], data={"decision": "allow"})).text
    await goes_on(http, "calendar", consent)
    messages = (await http.get("/threads/calendar")).json()["messages"]
    assert json.loads(messages[2]["content"])["account"] == "user_alice01"
    for method, path in requests([route for routes in AGENT.values() for route in routes]):
        if (method, path) != ("DELETE", "/threads"):  # the conversations are needed afterwards
            response = await http.request(method, path, json={})
            assert response.status_code < 500, (method, path, response.text)
            assert '"not_found"' not in response.text, (method, path, response.text)


@pytest.fixture
def around(sandbox: Sandbox, database: str, shared: str, tmp_path: Path) -> dict[str, str]:
    """The variables of the agent's place: its role, the database and the Redis that replicas share."""
    role = sandbox.cloud.execution_role.issue(3600)
    for name, text in {"conversations-url": database, "redis-url": shared}.items():
        (tmp_path / name).write_text(text)
    return {
        "AGENT_HOST": "127.0.0.1",
        "AGENT_PORT": "0",
        "ALIBABA_CLOUD_ACCESS_KEY_ID": role.access_key_id,
        "ALIBABA_CLOUD_ACCESS_KEY_SECRET": role.access_key_secret,
        "ALIBABA_CLOUD_SECURITY_TOKEN": role.security_token,
        "CONVERSATIONS_URL_FILE": str(tmp_path / "conversations-url"),
        "PREPARE_SCOPE": "agent.prepare",
        "REDIS_URL_FILE": str(tmp_path / "redis-url"),
        "REPLICAS": "2",
    }


async def test_installed_agent_continues_a_killed_run_serves_everything_and_goes_back_one_version(
    installed_with_own: Path,
    sandbox: Sandbox,
    operator: Configuration,
    database: str,
    around: dict[str, str],
    serve: Callable[..., Awaitable[str]],
    tmp_path: Path,
) -> None:
    collector, token = Collector(), sandbox.access_token("alice")
    command, own = tree(installed_with_own, operator)
    variables = own | around | {"OTEL_EXPORTER_OTLP_ENDPOINT": await serve(collector.app)}
    await is_killed_within_a_run(sandbox, tmp_path, command, variables, token)
    async with running(*command, folder=tmp_path, **variables) as agent:
        async with http_of(agent, token) as http:
            await continues_the_run(http)
            await serves_everything(http, sandbox)
        agent.send_signal(signal.SIGTERM)
        assert await agent.ends() == 0
    assert {"invoke_agent idaas-agent", "execute_tool payday"} <= {span.name for span in collector.spans()}
    assert "/v1/metrics" in collector.received
    await goes_back_one_version(database, tmp_path, command, variables, token)


async def test_unpacked_package_serves_everything(
    dependencies: Path, sandbox: Sandbox, operator: Configuration, around: dict[str, str], tmp_path: Path
) -> None:
    command, own = unpacked(dependencies, operator, tmp_path)
    async with running(*command, folder=tmp_path, **own | around) as agent:
        async with http_of(agent, sandbox.access_token("alice")) as http:
            await serves_everything(http, sandbox)
        agent.send_signal(signal.SIGTERM)
        assert await agent.ends() == 0


async def is_killed_within_a_run(
    sandbox: Sandbox, folder: Path, command: list[str], variables: dict[str, str], token: str
) -> None:
    """The process is killed while a service does not answer."""
    sandbox.cloud.faults.set("function_compute", Fault(hang=True))
    question = {"role": "user", "content": ENTERPRISE}
    asked = {"messages": [question], "stream": True}
    asked["metadata"] = {"thread_id": "killed", "on_disconnect": "continue"}
    async with running(*command, folder=folder, **variables) as agent, http_of(agent, token) as http:
        async with http.stream("POST", CHAT, json=asked) as response:
            async for line in response.aiter_lines():
                if "tool_started" in line:
                    break
        agent.send_signal(signal.SIGKILL)
    sandbox.cloud.faults.clear()


async def continues_the_run(http: httpx.AsyncClient) -> None:
    """The run of the killed process is continued by the next one."""
    async with http.stream("GET", "/threads/killed/events") as following:
        assert (await Events(following).rest())[-1]["code"] == "run_interrupted"
    assert (await http.post("/threads/killed/continue")).status_code == 202
    async with http.stream("GET", "/threads/killed/events") as following:
        assert (await Events(following).rest())[-1]["type"] == "RUN_FINISHED"


async def goes_back_one_version(
    database: str, folder: Path, command: list[str], variables: dict[str, str], token: str
) -> None:
    """After a newer version has changed the tables, this one serves again from the copy of before."""
    backup, restore = printed("backup").splitlines()
    environment = {"DATABASE": database, "PATH": f"{programs()}:/usr/bin:/bin"}

    async def documented(line: str) -> None:
        shell = await asyncio.create_subprocess_shell(line, cwd=folder, env=environment)
        assert await shell.wait() == 0

    await documented(backup)
    with psycopg.connect(database, autocommit=True) as connection:  # what a newer version does
        connection.execute("UPDATE idaas_agent.schema_version SET version = version + 1")
        connection.execute("ALTER TABLE idaas_agent.threads RENAME TO conversations")
    async with (
        running(*command, folder=folder, **variables) as agent,
        http_of(agent, token, ready=503) as http,
    ):
        checks = (await http.get("/ready")).json()["checks"]
        assert checks["conversations"]["code"] == "conversations_schema_unknown"
        refused = await http.get("/threads/leave")
        assert (refused.status_code, refused.json()["error"]["code"]) == (503, "revocations_unavailable")
        await documented(restore)

        async def is_restored() -> bool:
            return (await http.get("/threads/leave")).status_code != 503

        await until(is_restored)
        restored = await http.get("/threads/leave")
        assert "leave" in restored.json()["messages"][0]["content"]
        assert (await http.delete("/threads")).json()["deleted"] >= 2
        agent.send_signal(signal.SIGTERM)
