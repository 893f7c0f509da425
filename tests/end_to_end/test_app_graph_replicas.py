"""A program of `examples/library` under `idaas-agent serve`, as replicas that are killed."""

import asyncio
import json
import re
import signal
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.agent.api.threads.app_graphs import EXAMPLES, put_files
from tests.agent.api.threads.test_run_routes import Events
from tests.command import Command, forked
from tests.databases.postgres_process import PostgresProcess
from tests.leave_application import LEAVE
from tests.suite import Sandbox

CHAT = "/openai/v1/chat/completions"
PROGRAMS = ["create_agent", "state_graph"]


def http_of(command: Command) -> httpx.AsyncClient:
    (port,) = re.findall(r"listening on 127.0.0.1, port (\d+)", command.printed)
    return httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}", timeout=60, trust_env=False)


def question(text: str, thread: str) -> dict[str, Any]:
    return {"messages": [{"role": "user", "content": text}], "metadata": {"thread_id": thread}}


@pytest.mark.promise("approval-binds", "heals-by-itself")
@pytest.mark.parametrize("program", PROGRAMS)
async def test_question_of_a_killed_replica_is_answered_at_another_one_and_its_call_made_once(
    program: str, sandbox: Sandbox, postgres: PostgresProcess, tmp_path: Path
) -> None:
    text = f"call leave_apply with {json.dumps(LEAVE)}"
    result = await result_at_another_replica(program, text, sandbox, postgres, tmp_path)
    assert "applied" in result


async def result_at_another_replica(
    program: str, text: str, sandbox: Sandbox, postgres: PostgresProcess, tmp_path: Path
) -> str:
    """The result in the conversation of a call of leave_apply, for which `text` asks `program`, once the
    replica that has asked its user was killed. It was made once.
    """
    put_files(sandbox, tmp_path)
    variables = sandbox.environment | {
        "ACCESS_IDENTITY": "Human",
        "AGENT_PORT": "0",
        "AUDIT_LOG_FILE": str(tmp_path / "audit.jsonl"),
        "CONVERSATIONS_URL": postgres.url,
        "GRAPH": f"{EXAMPLES}/{program}.py:graph",
    }
    alice = {"Authorization": f"Bearer {sandbox.access_token()}"}
    async with (
        forked("serve", folder=tmp_path, **variables) as killed,
        forked("serve", folder=tmp_path, **variables) as living,
    ):
        await asyncio.gather(killed.says("startup complete"), living.says("startup complete"))
        async with http_of(killed) as a, http_of(living) as b:
            asked = await a.post(CHAT, json=question(text, "t"), headers=alice)
            assert asked.status_code == 200
            [approval] = (await b.get("/threads/t", headers=alice)).json()["approvals"]
            killed.send_signal(signal.SIGKILL)
            path = f"/threads/t/approvals/{approval['id']}"
            answered = await b.post(path, json={"decision": "approve"}, headers=alice)
            assert answered.status_code == 202
            async with b.stream("GET", "/threads/t/events", headers=alice) as following:
                assert (await Events(following).rest())[-1]["type"] == "RUN_FINISHED"
            thread = (await b.get("/threads/t", headers=alice)).json()
            again = await b.post(path, json={"decision": "approve"}, headers=alice)
        living.send_signal(signal.SIGTERM)
    roles = [message["role"] for message in thread["messages"]]
    assert roles == ["user", "assistant", "tool", "assistant"]
    assert again.json()["error"]["code"] == "approval_used"
    lines = [json.loads(line) for line in (tmp_path / "audit.jsonl").read_text().splitlines()]
    made = [
        line["outcome"]
        for line in lines
        if line.get("tool") == "leave_apply" and line["event"] == "tool_call"
    ]
    assert made == ["started", "succeeded"]
    return str(thread["messages"][2]["content"])
