"""Whose rights a call uses, as the question to a client of MCP says it."""

from typing import Any

import pytest

from plugins.mcp_server.tests.modern_client import headers_of, request
from tests.end_to_end.test_shown_rights import CHANGE, KINDS
from tests.end_to_end.test_shown_rights import agent_with as agent_with


@pytest.mark.parametrize("kind", ["api_key", "issued_jwt api_key"])  # the words of each: tests/end_to_end
async def test_question_says_whose_rights_a_call_uses(kind: str, agent_with: Any, sandbox: Any) -> None:
    credential, _, sentence = KINDS[kind]
    agent = await agent_with(credential)
    headers = {"Authorization": f"Bearer {sandbox.access_token('alice')}"}
    ask = request("tools/call", {"name": "ask", "arguments": {"question": CHANGE}})
    mcp = await agent.http.post(f"{agent.origin}/mcp", json=ask, headers=headers | headers_of(ask))
    assert sentence in mcp.json()["result"]["inputRequests"]["answer"]["params"]["message"]
