"""MCP Inspector, a published front end, against the agent: it sends the user's access token."""

import asyncio
import json
import subprocess
from typing import Any

import pytest

from tests.agent.api.threads.served_threads import Threads, ThreadsOf
from tests.mcp_referees.referees import NODE, PACKAGES

INSPECTOR = PACKAGES / "inspector" / "clients" / "launcher" / "build" / "index.js"


async def inspect(served: Threads, era: str, method: str, *options: str) -> Any:
    """What the Inspector's command line prints for one request."""
    bearer = f"Authorization: {served.headers()['Authorization']}"
    command = [NODE, INSPECTOR, "--cli", f"{served.origin}/mcp", "--transport", "http", "--protocol-era", era]
    command += ["--quiet", "--method", method]
    done = await asyncio.to_thread(
        subprocess.run,
        [*command, *options, "--header", bearer],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


@pytest.mark.parametrize("era", ["legacy", "modern"])
async def test_inspector_lists_tools_asks_and_calls_one(threads: ThreadsOf, era: str) -> None:
    served = await threads(ACCESS_IDENTITY="Human")
    listed = await inspect(served, era, "tools/list")
    asked = await inspect(served, era, "tools/call", "--tool-name", "ask", "--tool-arg", "question=Hello")
    called = await inspect(served, era, "tools/call", "--tool-name", "leave_balance")

    assert {"ask", "leave_balance"} <= {tool["name"] for tool in listed["tools"]}
    assert asked["structuredContent"]["answer"] == "done "
    assert json.loads(called["content"][0]["text"])["days_left"] == 12
