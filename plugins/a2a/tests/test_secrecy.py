"""No secret of a run is in a response of A2A, or in the database of its tasks."""

from pathlib import Path
from typing import Any

import pytest

from tests.running_agent import ENTERPRISE, WEATHER
from tests.security.secrecy.canaries import Canaries, leaks, secrets_of
from tests.security.secrecy.test_canaries import APPLY, stored
from tests.suite import Sandbox


@pytest.mark.promise("no-secret-leaves")
async def test_tasks_contain_no_secret(start_agent: Any, sandbox: Sandbox, tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/conversations/conversations.db"
    agent = await start_agent("Human", CONVERSATIONS_URL=url)
    token = sandbox.access_token()
    canaries: Canaries = secrets_of(sandbox, token)
    agent.composed.http.event_hooks = {"response": [canaries.watch]}
    seen = await conversation(agent, token)
    assert len(canaries.by_name) > 5
    assert leaks(canaries, [*seen, *stored(tmp_path / "conversations")]) == []


async def conversation(agent: Any, token: str) -> list[tuple[str, str]]:
    """A conversation as tasks: asked, read while it waits, answered, and read."""
    seen = []
    headers = {"Authorization": f"Bearer {token}", "A2A-Version": "1.0"}

    async def call(method: str, **params: Any) -> Any:
        body = {"jsonrpc": "2.0", "id": 1, "method": method, "params": params}
        response = await agent.http.post(f"{agent.origin}/a2a", json=body, headers=headers)
        seen.append((f"A2A {method}", f"{response.headers} {response.text}"))
        return response.json()["result"]

    def message(*parts: Any, **members: Any) -> dict[str, Any]:
        return {"messageId": str(len(seen)), "role": "ROLE_USER", "parts": list(parts), **members}

    for question in (ENTERPRISE, WEATHER, APPLY):
        task = (await call("SendMessage", message=message({"text": question}, contextId="a2a")))["task"]
    waiting = (await call("GetTask", id=task["id"]))["status"]
    assert waiting["state"] == "TASK_STATE_INPUT_REQUIRED"
    decision = {"approval": waiting["message"]["messageId"], "decision": "approve"}
    ended = await call("SendMessage", message=message({"data": decision}, taskId=task["id"]))
    assert ended["task"]["status"]["state"] == "TASK_STATE_COMPLETED"
    await call("GetTask", id=task["id"])
    return seen
