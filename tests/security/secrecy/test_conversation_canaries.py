"""Conversations, what their routes return, and the database contain no secret of their runs."""

from pathlib import Path
from typing import Any

import pytest

from identity.secrets.secret import Secret
from tests.conftest import Sandbox
from tests.running_agent import ENTERPRISE, WEATHER
from tests.security.secrecy.canaries import Canaries, leaks, secrets_of

pytestmark = pytest.mark.promise("no-secret-leaves")

APPLY = "Apply for three days of leave from Monday"


def stored(folder: Path) -> list[tuple[str, str]]:
    """Every file of the database, whatever is still in its pages."""
    return [(f"the file {file.name}", file.read_bytes().decode("latin-1")) for file in folder.iterdir()]


async def test_database_and_routes_of_conversations_contain_no_secret(
    start_agent: Any, sandbox: Sandbox, tmp_path: Path
) -> None:
    url = f"sqlite:///{tmp_path}/conversations/conversations.db"
    agent = await start_agent("Human", CONVERSATIONS_URL=url)
    token = sandbox.access_token()
    canaries: Canaries = secrets_of(sandbox, token)
    agent.composed.http.event_hooks = {"response": [canaries.watch]}

    async def ask(method: str, path: str, body: Any = None) -> tuple[str, str]:
        headers = {"Authorization": f"Bearer {token}"}
        response = await agent.http.request(method, agent.origin + path, json=body, headers=headers)
        assert response.status_code < 300, response.text
        return f"{method} {path}", f"{response.headers} {response.text}"

    seen = []
    for question in (ENTERPRISE, WEATHER, APPLY):
        messages = [{"role": "user", "content": question}]
        body = {"messages": messages, "stream": True, "metadata": {"thread_id": "t"}}
        seen.append(await ask("POST", "/openai/v1/chat/completions", body))
    paths = ("/threads", "/threads/t", "/threads/t/messages", "/threads/t/export", "/threads/t/events")
    seen += [await ask("GET", path) for path in paths]
    files = stored(tmp_path / "conversations")
    assert any("leave_apply" in text for _, text in files)  # the checkpoint of the run that waits
    seen += files
    [pending] = await agent.composed.conversations.pending(await caller(agent, token), "t")
    seen.append(await ask("POST", f"/threads/t/approvals/{pending.request.id}", {"decision": "approve"}))
    seen.append(await ask("GET", "/threads/t/events"))
    seen += await over_a2a(agent, token)
    assert len(canaries.by_name) > 5
    assert leaks(canaries, [*seen, *stored(tmp_path / "conversations")]) == []


async def caller(agent: Any, token: str) -> Any:
    return await agent.composed.verifier.verify(Secret(token))


async def over_a2a(agent: Any, token: str) -> list[tuple[str, str]]:
    """The same conversation as tasks: asked, read while it waits, answered, and read."""
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
