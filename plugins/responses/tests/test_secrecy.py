"""No secret of a run is in a response, in an item, or in the database of the conversations."""

from pathlib import Path
from typing import Any

import pytest

from tests.running_agent import ENTERPRISE, WEATHER
from tests.security.secrecy.canaries import Canaries, leaks, secrets_of
from tests.security.secrecy.test_canaries import APPLY, stored
from tests.suite import Sandbox

PATH = "/openai/v1/responses"


@pytest.mark.promise("no-secret-leaves")
@pytest.mark.parametrize("stream", [False, True])
async def test_responses_contain_no_secret(
    start_agent: Any, sandbox: Sandbox, tmp_path: Path, stream: bool
) -> None:
    url = f"sqlite:///{tmp_path}/conversations/conversations.db"
    agent = await start_agent("Human", CONVERSATIONS_URL=url)
    token = sandbox.access_token()
    canaries: Canaries = secrets_of(sandbox, token)
    agent.composed.http.event_hooks = {"response": [canaries.watch]}
    seen = await conversation(agent, token, stream=stream)
    assert len(canaries.by_name) > 5
    assert leaks(canaries, [*seen, *stored(tmp_path / "conversations")]) == []


async def conversation(agent: Any, token: str, *, stream: bool) -> list[tuple[str, str]]:
    """A conversation as responses: asked, read while it waits, decided, and read."""
    seen = []
    headers = {"Authorization": f"Bearer {token}"}

    async def ask(method: str, path: str = "", body: Any = None) -> Any:
        response = await agent.http.request(method, agent.origin + PATH + path, json=body, headers=headers)
        assert response.status_code == 200, response.text
        seen.append((f"{method} {PATH}{path}", f"{response.headers} {response.text}"))
        return response

    for question in (ENTERPRISE, WEATHER, APPLY):
        await ask("POST", body={"input": question, "conversation": "c", "stream": stream})
    listed = await agent.http.get(f"{agent.origin}/threads/c", headers=headers)
    [approval] = listed.json()["approvals"]
    decision = {"type": "mcp_approval_response", "approval_request_id": approval["id"], "approve": True}
    ended = (await ask("POST", body={"input": [decision], "conversation": "c"})).json()
    assert [item["type"] for item in ended["output"]] == ["mcp_call", "message"]
    await ask("GET", f"/{ended['id']}")
    return seen
