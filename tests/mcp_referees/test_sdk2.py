"""Both roles against the official SDK 2.x (it needs an environment of its own), and a server of 1.x."""

import asyncio
import json
import subprocess
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from identity.credentials.requirement import ApiKeyRequirement
from tests.agent.api.threads.script import APPLY
from tests.agent.api.threads.served_threads import Threads, ThreadsOf
from tests.deploy.shipped import installed_wheel, run_alone
from tests.graph.scripted_model import DONE
from tests.leave_application import LEAVE
from tests.mcp_referees.referees import FOLDER, PYTHON
from tests.suite import Sandbox
from tests.tools.conftest import KeyRing, OwnAccess
from tools.mcp_service.service import MCPService


async def sdk2_client(served: Threads, mode: str, *calls: Any, approve: bool = True) -> Any:
    """What the official client prints for these calls of alice."""
    token = served.headers()["Authorization"].removeprefix("Bearer ")
    given = {"url": f"{served.origin}/mcp", "token": token, "mode": mode, "calls": calls, "approve": approve}
    done = await asyncio.to_thread(
        subprocess.run,
        [PYTHON, FOLDER / "sdk2_client.py"],
        input=json.dumps(given),
        capture_output=True,
        text=True,
        timeout=90,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


@pytest.fixture
async def served(threads: ThreadsOf) -> Threads:
    page = "https://page.example"
    return await threads([APPLY, DONE], ACCESS_IDENTITY="Human", AGENT_PAGE_URL=page)


@pytest.mark.parametrize("mode", ["auto", "2026-07-28"])
async def test_client_of_the_newer_version_asks_its_user_and_the_call_is_made_once(
    served: Threads, mode: str
) -> None:
    ask = ("ask", {"question": "Apply for leave"})
    found = await sdk2_client(served, mode, ("leave_balance", {}), ask, ("leave_balance", {}))
    before, asked, after = found["results"]

    assert found["version"] == "2026-07-28"
    assert {"ask", "leave_apply"} <= set(found["tools"])
    assert asked["structuredContent"]["answer"] == "done "
    assert "leave_apply" in found["asked"][0]["message"]
    assert "leave_apply …" in found["told"]
    assert [json.loads(each["content"][0]["text"])["days_left"] for each in (before, after)] == [12, 9]


async def test_client_of_the_newer_version_rejects_a_call(served: Threads) -> None:
    calls = [("leave_apply", LEAVE), ("leave_balance", {}), ("no_such_tool", {})]
    refused, after, unknown = (await sdk2_client(served, "auto", *calls, approve=False))["results"]

    assert refused["isError"]
    assert json.loads(after["content"][0]["text"])["days_left"] == 12
    assert unknown["error"]["code"] == -32602


async def test_client_in_the_older_version_receives_the_address_of_the_page(served: Threads) -> None:
    found = await sdk2_client(served, "legacy", ("leave_balance", {}), ("leave_apply", LEAVE))
    balance, refused = found["results"]

    assert found["version"] == "2025-11-25"
    assert json.loads(balance["content"][0]["text"])["days_left"] == 12
    assert refused["error"]["code"] == -32042
    assert refused["error"]["data"]["elicitations"][0]["url"] == "https://page.example"


ORDERS = '''
def service(orders, settings):
    @orders.tool
    async def orders_of_month(http, month: str) -> list[dict[str, int]]:
        """Lists orders."""
        return [{"id": 1}] * (1 if month == "2026-10" else 5_000)
'''


@pytest.mark.parametrize("mode", ["2026-07-28", "legacy"])
async def test_client_takes_structured_content_which_it_compares_with_the_schema(
    threads: ThreadsOf, tmp_path: Path, mode: str
) -> None:
    (tmp_path / "orders.py").write_text(ORDERS)
    (tmp_path / "services.toml").write_text(
        '[services.orders]\ntype = "http"\nurl = "https://orders.example"\npython = "orders.py:service"\n'
    )
    served = await threads([DONE], SERVICES_FILE=str(tmp_path / "services.toml"))
    months = [("orders_of_month", {"month": month}) for month in ("2026-10", "2026-11")]
    taken, cut = (await sdk2_client(served, mode, *months))["results"]

    assert taken["structuredContent"] == {"result": [{"id": 1}]}
    assert (cut["isError"], "structuredContent" in cut) == (True, False)


@pytest.fixture(params=["1.x", "2.x"])
async def server_url(request: pytest.FixtureRequest) -> AsyncIterator[str]:
    """An official server, which has the same tools on either SDK."""
    python = sys.executable if request.param == "1.x" else PYTHON
    process = await asyncio.create_subprocess_exec(
        python, FOLDER / "sdk_server.py", stdout=asyncio.subprocess.PIPE
    )
    assert process.stdout is not None
    port = int(await process.stdout.readline())
    yield f"http://127.0.0.1:{port}/mcp"
    process.terminate()
    await process.wait()


@pytest.fixture
async def service(server_url: str) -> AsyncIterator[MCPService]:
    """The agent's client of the server."""
    service = MCPService("referee", server_url, ApiKeyRequirement("key"))
    yield service
    await service.aclose()


CALLS = {
    ("add", '{"a": 1, "b": 2}'): "3",
    ("add", '{"a": 1}'): None,
    ("slow", "{}"): "ready",
    ("picture", "{}"): "here:\n[image, image/png, 2 bytes, not shown]",
    ("broken", "{}"): None,
    ("no_such_tool", "{}"): None,
}
"""The text of each call's result; `None` for one that fails."""


LIBRARY = """
import asyncio, sys, time
from importlib.metadata import version
from idaas_agent import AccessIdentity, ApiKeyRequirement, Credential, MCPService, Secret, ServiceError

class Access:
    caller = principal = None

    async def credential(self):
        return Credential(key, AccessIdentity.MACHINE, Secret("K1"), time.time() + 600, None)

    cached = lambda self: None

async def list_tools():
    service = MCPService("referee", sys.argv[1], key)
    try:
        print(version("mcp"), *sorted(tool.name for tool in await service.tools(Access())))
    except ServiceError as error:
        print(version("mcp"), error.detail)
    await service.aclose()

key = ApiKeyRequirement("key")
asyncio.run(list_tools())
"""


async def test_library_beside_sdk2_uses_newer_servers_and_names_the_extra_for_older_ones(
    server_url: str, request: pytest.FixtureRequest, unpacked_wheel: Path, tmp_path: Path
) -> None:
    site = installed_wheel(unpacked_wheel, tmp_path)
    [sdk] = PYTHON.parents[1].glob("lib/python*/site-packages")
    program = f"sys.path.append({str(sdk)!r}); exec({LIBRARY!r})"
    done = await asyncio.to_thread(run_alone, site, program, server_url)
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("2.")
    if request.node.callspec.params["server_url"] == "2.x":
        assert done.stdout.split()[1:] == ["add", "broken", "grow", "picture", "slow"]
    else:
        assert "a version of MCP before 2026-07-28, which needs idaas-agent[mcp]" in done.stdout


CLIENT_OF_AN_APPLICATION = """
import asyncio, json, ssl, sys
from importlib.metadata import version
import httpx2
from mcp import Client
from mcp.client.streamable_http import streamable_http_client
from idaas_agent import Identity

async def main(variables, url, token):
    identity = Identity.from_env(variables)
    auth = identity.auth(api_key="amap_api_key", url=url, access_identity="Human")
    tls = ssl.create_default_context(cafile=variables["SSL_CERT_FILE"])
    async with identity, httpx2.AsyncClient(auth=auth, verify=tls) as http, identity.acting_for(token):
        async with Client(streamable_http_client(url, http_client=http)) as client:
            tools = (await client.list_tools()).tools
    print(version("mcp"), *(tool.name for tool in tools))

asyncio.run(main(*json.loads(sys.argv[1])))
"""


async def test_client_of_sdk2_authenticates_by_the_library(
    sandbox: Sandbox, unpacked_wheel: Path, tmp_path: Path
) -> None:
    site = installed_wheel(unpacked_wheel, tmp_path)
    [sdk] = PYTHON.parents[1].glob("lib/python*/site-packages")
    program = f"sys.path.append({str(sdk)!r}); exec({CLIENT_OF_AN_APPLICATION!r})"
    url = sandbox.environment["EXTERNAL_SERVER_URL"]
    given = json.dumps([sandbox.environment, url, sandbox.access_token("alice")])
    done = await asyncio.to_thread(run_alone, site, program, given)
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("2.")
    assert "maps_weather" in done.stdout.split()


async def test_agent_lists_and_calls_in_the_newest_version_of_the_server(
    service: MCPService, request: pytest.FixtureRequest
) -> None:
    access = KeyRing("K1")
    tools = {tool.name: tool for tool in await service.tools(access)}
    results = [await service.call(name, json.loads(arguments), access) for name, arguments in CALLS]

    assert tools.keys() == {"add", "slow", "picture", "broken", "grow"}
    assert (tools["add"].description, list(tools["add"].parameters["properties"])) == (
        "Adds two numbers.",
        ["a", "b"],
    )
    assert [result.text if result.ok else None for result in results] == list(CALLS.values())
    assert [result.called for result in results] == [True, False, True, True, True, False]
    assert [name for result in results for name, _ in result.files] == ["image.png"]
    assert service.may_ask is (request.node.callspec.params["server_url"] == "2.x")


@pytest.mark.parametrize("server_url", ["2.x"], indirect=True)
async def test_change_that_the_server_reports_is_listed_without_waiting_for_the_time_of_the_list(
    service: MCPService,
) -> None:
    access = OwnAccess("K1")
    before = [tool.name for tool in await service.tools(access)]
    while service.cached_tools(access) is not None:  # until the stream is open
        assert (await service.call("grow", {}, access)).ok
    assert [tool.name for tool in await service.tools(access)] == [*before, "grown"]
