"""alice applies for leave, and approves on another device, also after the agent's process was killed."""

import json
import signal
from pathlib import Path
from typing import Any

import httpx
import pytest

from sandbox.faults.faults import Fault
from tests.agent.api.threads.served_threads import CHAT
from tests.command import forked
from tests.running_agent import StartAgent
from tests.suite import Sandbox
from tests.until import until

QUESTION = "Apply for three days of leave from Monday"


class Device:
    """A client of one user."""

    def __init__(self, http: httpx.AsyncClient, origin: str, token: str) -> None:
        self._http = http
        self._origin = origin
        self._headers = {"Authorization": f"Bearer {token}"}

    async def ask(self, method: str, path: str, body: Any = None) -> httpx.Response:
        return await self._http.request(method, self._origin + path, json=body, headers=self._headers)

    async def apply_for_leave(self) -> list[dict[str, Any]]:
        """The chunks of the response, on a conversation."""
        body = {
            "messages": [{"role": "user", "content": QUESTION}],
            "stream": True,
            "metadata": {"thread_id": "leave-1"},
        }
        response = await self.ask("POST", CHAT, body)
        lines = [line for line in response.text.splitlines() if line.startswith("data: {")]
        return [json.loads(line.removeprefix("data: ")) for line in lines]

    async def approvals(self) -> list[dict[str, Any]]:
        """Of the first conversation in the list that waits."""
        threads = (await self.ask("GET", "/threads")).json()["threads"]
        waiting = next(thread for thread in threads if thread["pending_approvals"])
        found: list[dict[str, Any]] = (await self.ask("GET", f"/threads/{waiting['id']}")).json()["approvals"]
        return found

    async def approve(self, approval: dict[str, Any]) -> httpx.Response:
        path = f"/threads/{approval['thread_id']}/approvals/{approval['id']}"
        return await self.ask("POST", path, {"decision": "approve"})

    async def follow(self) -> list[dict[str, Any]]:
        """The events of the run, to its end."""
        text = (await self.ask("GET", "/threads/leave-1/events")).text
        lines = [line for line in text.splitlines() if line.startswith("data: ")]
        return [json.loads(line.removeprefix("data: ")) for line in lines]


def applied(sandbox: Sandbox) -> int:
    return int(sandbox.cloud.counters.snapshot().get("function_compute:leave_applied", 0))


@pytest.mark.promise("threads-are-private")
async def test_leave_is_applied_for_after_alice_approves_on_another_device(
    start_agent, sandbox, tmp_path: Path
) -> None:
    agent = await start_agent("Human", CONVERSATIONS_URL=f"sqlite:///{tmp_path}/conversations.db")
    phone, laptop = (
        Device(agent.http, agent.origin, sandbox.access_token("alice", jti=device)) for device in ("1", "2")
    )
    bob = Device(agent.http, agent.origin, sandbox.access_token("bob"))
    chunks = await laptop.apply_for_leave()
    [event] = [chunk["agent_event"] for chunk in chunks if "agent_event" in chunk]
    assert event["type"] == "approval_required"
    assert applied(sandbox) == 0
    [approval] = await phone.approvals()
    assert approval == event["approval"]
    assert (approval["tool"], approval["effect"]) == ("leave_apply", "write")
    assert approval["access_identity"] == "Human"
    assert approval["arguments"]["days"] == 3
    assert (await bob.approve(approval)).status_code == 404
    assert (await phone.approve(approval)).status_code == 202
    events = await laptop.follow()
    assert events[-1]["type"] == "RUN_FINISHED"
    [result] = [event for event in events if event["type"] == "TOOL_CALL_RESULT"]
    assert json.loads(result["content"])["employee"] == "alice"
    assert applied(sandbox) == 1
    assert (await phone.approve(approval)).json()["error"]["code"] == "approval_used"
    assert (await bob.ask("GET", "/threads")).json()["threads"] == []
    assert (await bob.ask("GET", "/threads/leave-1/events")).status_code == 404


@pytest.mark.promise("approval-binds")
async def test_approval_outlives_a_killed_process(
    sandbox: Sandbox, start_agent: StartAgent, tmp_path: Path
) -> None:
    kept = {"CONVERSATIONS_URL": f"sqlite:///{tmp_path}/conversations.db"}
    variables = sandbox.environment | kept | {"ACCESS_IDENTITY": "Human", "AGENT_PORT": "0"}
    token = sandbox.access_token("alice")
    async with httpx.AsyncClient(timeout=60, trust_env=False) as http:
        async with forked("serve", folder=tmp_path, **variables) as killed:
            device = Device(http, f"http://127.0.0.1:{await killed.port()}", token)
            await device.apply_for_leave()
            killed.send_signal(signal.SIGKILL)
            assert await killed.ends() == -signal.SIGKILL
        device = Device(http, (await start_agent("Human", **kept)).origin, token)
        [approval] = await device.approvals()
        assert applied(sandbox) == 0
        assert (await device.approve(approval)).status_code == 202
        assert (await device.follow())[-1]["type"] == "RUN_FINISHED"
        messages = (await device.ask("GET", "/threads/leave-1")).json()["messages"]
    assert [message["role"] for message in messages] == ["user", "assistant", "tool", "assistant"]
    assert json.loads(messages[2]["content"])["employee"] == "alice"
    assert applied(sandbox) == 1


@pytest.mark.promise("shutdown-loses-nothing")
async def test_approved_call_that_no_client_waits_for_ends_before_the_agent_stops(
    sandbox: Sandbox, start_agent: StartAgent, tmp_path: Path
) -> None:
    audit_log = tmp_path / "audit.jsonl"
    kept = {"CONVERSATIONS_URL": f"sqlite:///{tmp_path}/conversations.db"}
    variables = (
        sandbox.environment
        | kept
        | {
            "ACCESS_IDENTITY": "Human",
            "AGENT_PORT": "0",
            "AUDIT_LOG_FILE": str(audit_log),
            "SHUTDOWN_SECONDS": "30",
        }
    )
    token = sandbox.access_token("alice")
    async with httpx.AsyncClient(timeout=60, trust_env=False) as http:
        async with forked("serve", folder=tmp_path, **variables) as stopped:
            device = Device(http, f"http://127.0.0.1:{await stopped.port()}", token)
            await device.apply_for_leave()
            [approval] = await device.approvals()
            sandbox.cloud.faults.set("function_compute", Fault(latency=1))
            assert (await device.approve(approval)).status_code == 202
            await until(lambda: '"tool_call"' in audit_log.read_text())
            stopped.send_signal(signal.SIGTERM)
            assert await stopped.ends() == 0
        sandbox.cloud.faults.clear()
        device = Device(http, (await start_agent("Human", **kept)).origin, token)
        thread = (await device.ask("GET", "/threads/leave-1")).json()
    assert applied(sandbox) == 1
    assert thread["status"] == "idle"
    assert [message["role"] for message in thread["messages"]] == ["user", "assistant", "tool", "assistant"]
    assert json.loads(thread["messages"][2]["content"])["employee"] == "alice"
