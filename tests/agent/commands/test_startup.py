"""Startup: what is served before the application is composed, what waits, and what a failure does."""

import asyncio
import subprocess
import sys
from importlib.metadata import entry_points

import httpx
import pytest
from starlette.responses import PlainTextResponse

from agent.api.response_models import ReadinessReport
from agent.api.surface import ENTRY_POINTS
from agent.commands.startup import StartingApp, serve_agent
from agent.http.web_server import listen
from agent.settings.settings import read_settings
from identity.error_codes import IdentityCode
from identity.errors import ConfigurationError

SECURITY_HEADERS = {
    ("x-content-type-options", "nosniff"),
    ("cache-control", "no-store"),
    ("referrer-policy", "no-referrer"),
    ("x-frame-options", "DENY"),
}


@pytest.fixture
def app():
    return StartingApp()


@pytest.fixture
async def client(app):
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://agent") as client:
        yield client


async def test_health_is_ok_and_readiness_503_before_the_application_is_composed(client):
    health, ready = await client.get("/health"), await client.get("/ready")
    assert (health.status_code, ready.status_code) == (200, 503)
    assert ready.headers["retry-after"]
    check = ready.json()["checks"]["start"]
    assert (check["ok"], check["code"]) == (False, "starting")
    assert ReadinessReport.model_validate(ready.json())
    assert all(response.headers.items() >= SECURITY_HEADERS for response in (health, ready))


async def test_early_request_waits_and_is_served(app, client):
    early = asyncio.create_task(client.post("/chat"))
    await client.get("/health")
    assert not early.done()
    app.serve(PlainTextResponse("served"))
    assert (await early).text == "served"
    assert (await client.post("/chat")).text == "served"


async def test_requests_are_refused_after_the_start_has_failed(app, client):
    waiting = asyncio.create_task(client.post("/chat"))
    await client.get("/health")
    app.fail()
    for refused in (await waiting, await client.post("/chat")):
        assert (refused.status_code, refused.json()["error"]["code"]) == (503, "start_failed")
        assert refused.headers.items() >= SECURITY_HEADERS
    ready = await client.get("/ready")
    assert (ready.status_code, ready.json()["checks"]["start"]["code"]) == (503, "start_failed")


async def test_failure_to_compose_stops_the_server_and_is_raised(sandbox):
    def compose(settings):
        raise ConfigurationError(IdentityCode.SETTINGS_INVALID, ["SERVICES_FILE: a fault"])

    with listen("127.0.0.1", 0, "the agent", "nothing") as listener, pytest.raises(ConfigurationError):
        await serve_agent(read_settings(sandbox.environment), listener, compose=compose)


def test_command_line_and_what_listens_and_adds_up_workers_import_no_part_of_the_agent():
    program = (
        "import sys, agent.commands.command_line, agent.commands.startup,"
        " agent.operations.metrics.worker_metrics, agent.operations.metrics.metrics_server;"
        "print(*{'fastapi', 'langchain_core', 'langgraph', 'opentelemetry.sdk'} & set(sys.modules))"
    )
    found = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)  # noqa: S603 - this interpreter
    assert found.stdout.split() == []


UNUSED = {
    *("mcp", "langchain_mcp_adapters"),  # for servers that turn out to speak MCP of 2025
    *("psycopg", "redis", "prometheus_client"),  # opened, or switched on, by a setting
    *("httpcore", "httpcore2"),  # the agent has connections of its own
    *("openai.resources.chat", "sandbox.server"),
}


def test_agent_loads_no_library_and_no_surface_that_its_settings_do_not_use(sandbox):
    program = (
        "import os, sys; from agent.commands.startup import compose_agent;"
        "from agent.settings.settings import read_settings;"
        "compose_agent(read_settings(os.environ | {'SURFACES': 'openai'})); print(*sys.modules);"
        "compose_agent(read_settings(os.environ)); print(*sys.modules)"
    )
    command = [sys.executable, "-c", program]
    found = subprocess.run(command, env=sandbox.environment, capture_output=True, text=True, check=True)  # noqa: S603 - this interpreter
    with_one_surface, imported = ({*line.split()} for line in found.stdout.splitlines())
    surfaces = {entry.module for entry in entry_points(group=ENTRY_POINTS)}
    assert surfaces & with_one_surface == {"agent.api.openai.routes"}
    assert {"langchain_openai", "langserve"} <= imported
    assert UNUSED & imported == set()
