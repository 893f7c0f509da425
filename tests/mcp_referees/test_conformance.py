"""The official conformance runner, in both roles and versions, with the scenarios of what the agent has.

The others are about prompts, resources, sampling, roots, sessions and tasks of a server, about the flow by
which a client obtains a token from an MCP server's own authorization server, and about tools that only a
server made for the runner has.
"""

import asyncio
import shlex
import subprocess
import sys
from itertools import product
from pathlib import Path
from typing import Any

import pytest

from agent.api.app import create_app
from agent.composition.agent import Agent
from agent.settings.settings import read_settings
from graph.models.provider import ChatModelProvider
from tests.graph.scripted_model import DONE, ScriptedModel
from tests.mcp_referees.conformance_runner import RUNNER, TOOLS, results
from tests.mcp_referees.referees import FOLDER, NODE
from tests.suite import Sandbox

OLD, NEW = ["2025-11-25"], ["2026-07-28"]
TOOL_CALLS = ("tools-call-simple-text", "tools-call-error", "tools-call-with-progress")
SERVER = [
    *product(("tools-list", *TOOL_CALLS, "dns-rebinding-protection"), OLD + NEW),
    *product(("server-initialize", "ping"), OLD),
    *product(("server-stateless", "caching", "http-header-validation"), NEW),
]
NOT_HERE = {
    "sep-2549-prompts-list-caching-hints",  # the agent has neither prompts nor resources
    "sep-2549-resources-list-caching-hints",
    "sep-2549-resources-templates-list-caching-hints",
    "sep-2575-missing-capability-http-400",  # by a tool that needs sampling, which the agent never uses
    "sep-2575-server-rejects-undeclared-capability",
    "sep-2243-server-accepts-whitespace-header-value",  # by a call without arguments of the first tool, `ask`
    "sep-2243-client-omit-null",  # the agent's client sends no argument that the schema of its tool refuses
}
"""Checks that fail because they have nothing to check."""
HEADERS = ("http-standard-headers", "http-custom-headers", "http-invalid-tool-headers")
OF_NEW = ("request-metadata", *HEADERS, "json-schema-ref-no-deref", "sep-2322-client-request-state")
CLIENT = [
    *product(("tools_call", "json-schema-2020-12-preservation"), OLD + NEW),
    *product(("initialize",), OLD),
    *product(OF_NEW, NEW),
]


async def run(role: str, scenario: str, version: str, folder: Path, *options: str) -> None:
    """One scenario. It must fail no check but those of `NOT_HERE`."""
    command = [NODE, RUNNER, role, "--scenario", scenario, "--spec-version", version, "-o", folder, *options]
    done = await asyncio.to_thread(
        subprocess.run,
        command,
        capture_output=True,
        text=True,
        timeout=90,
        check=False,
        cwd=FOLDER.parents[1],
    )
    [checks] = results(folder)
    failed = {each["id"] for each in checks if each["status"] == "FAILURE"} - NOT_HERE
    assert checks, done.stdout + done.stderr
    assert not failed, done.stdout + done.stderr


@pytest.mark.parametrize(("scenario", "version"), SERVER)
async def test_agent_conforms_as_a_server(
    sandbox: Sandbox, serve: Any, tmp_path: Path, scenario: str, version: str
) -> None:
    (tmp_path / "runner.py").write_text(TOOLS)
    python = (
        'services.runner = { type = "http", url = "https://runner.example", python = "runner.py:service" }'
    )
    (tmp_path / "services.toml").write_text(python)
    variables = {"ACCESS_IDENTITY": "Human", "CONVERSATIONS_URL": f"sqlite:///{tmp_path}/conversations.db"}
    variables["SERVICES_FILE"] = f"{tmp_path}/services.toml"
    settings = read_settings(sandbox.environment | variables)
    model = ChatModelProvider(ScriptedModel(turns=[DONE]))
    app = create_app(settings, Agent(settings, clock=sandbox.clock, model=model))
    bearer = (b"authorization", f"Bearer {sandbox.access_token()}".encode())

    async def with_token(scope: Any, receive: Any, send: Any) -> None:
        """The runner sends no token."""
        await app(scope | {"headers": [*scope.get("headers", ()), bearer]}, receive, send)

    origin = await serve(with_token)
    await run("server", scenario, version, tmp_path, "--url", f"{origin}/mcp")


@pytest.mark.parametrize(("scenario", "version"), CLIENT)
async def test_agent_conforms_as_a_client(tmp_path: Path, scenario: str, version: str) -> None:
    command = shlex.join([sys.executable, "-m", "tests.mcp_referees.conformance_client"])
    await run("client", scenario, version, tmp_path, "--command", command)
