"""Backup and restore of SQLite as docs/runbook.md prints them; for PostgreSQL: plugins/package/."""

import re
import signal
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import httpx

from tests.clock import same_clock
from tests.command import Command, forked
from tests.running_agent import WEATHER
from tests.suite import Sandbox

BACKUP = Path(__file__).parents[2] / "docs" / "runbook.md"


def printed(name: str) -> str:
    """A block of that page."""
    (found,) = re.findall(rf"<!-- {name} -->\n```sh\n(.*?)```", BACKUP.read_text("utf-8"), re.DOTALL)
    return str(found)


def follow(name: str, folder: Path) -> None:
    """Runs the block in a shell, in the folder of the two files."""
    path = f"{Path(sys.executable).parent}:/usr/bin:/bin"
    shell = ["/bin/sh", "-ec", printed(name)]
    subprocess.run(shell, cwd=folder, env={"PATH": path, **same_clock()}, check=True)  # noqa: S603 - as documented


async def command(*arguments: str, folder: Path, **variables: str) -> str:
    async with forked(*arguments, folder=folder, **variables) as process:
        await process.ends()
    return process.printed


@asynccontextmanager
async def serving(
    sandbox: Sandbox, folder: Path, **variables: str
) -> AsyncIterator[tuple[Command, httpx.AsyncClient]]:
    async with forked("serve", folder=folder, **variables) as agent:
        alice = {"Authorization": f"Bearer {sandbox.access_token()}"}
        origin = f"http://127.0.0.1:{await agent.port()}"
        async with httpx.AsyncClient(base_url=origin, headers=alice, timeout=60, trust_env=False) as http:
            yield agent, http


async def ask(http: httpx.AsyncClient, thread: str) -> None:
    body = {"messages": [{"role": "user", "content": WEATHER}], "metadata": {"thread_id": thread}}
    assert (await http.post("/openai/v1/chat/completions", json=body)).status_code == 200


async def test_copies_made_while_the_agent_runs_are_restored_as_documented(
    sandbox: Sandbox, tmp_path: Path
) -> None:
    files = tmp_path / ".idaas-agent"
    defaults = {"CONVERSATIONS_URL": "", "REVOCATIONS_FILE": ""}
    variables = sandbox.environment | defaults | {"ACCESS_IDENTITY": "Machine", "AGENT_PORT": "0"}
    async with serving(sandbox, tmp_path, **variables) as (agent, http):
        await ask(http, "before")
        await command("revoke", "--user", "user_bob01", folder=tmp_path, **variables)
        follow("sqlite backup", files)
        await ask(http, "after")
        await command("revoke", "--user", "user_carol01", folder=tmp_path, **variables)
        agent.send_signal(signal.SIGKILL)
    assert {path.stat().st_mode & 0o777 for path in files.glob("copy-of-*")} == {0o600}
    follow("sqlite restore", files)
    async with serving(sandbox, tmp_path, **variables) as (agent, http):
        assert (await http.get("/threads/before")).json()["messages"][0]["content"] == WEATHER
        assert (await http.get("/threads/after")).status_code == 404
        revoked = await command("revoke", "--list", folder=tmp_path, **variables)
        assert ("user_bob01" in revoked, "user_carol01" in revoked) == (True, False)
        agent.send_signal(signal.SIGTERM)
