"""LangGraph Server's entry counts the runs that a user creates, and no other request."""

from types import SimpleNamespace
from typing import Any, cast

import pytest
from langgraph_sdk import Auth

from agent.errors.error_codes import AgentCode
from agent.langgraph_server import authorization as langgraph_server
from agent.langgraph_server.server_agent import agent_of_this_loop
from tests.conftest import Sandbox

pytestmark = pytest.mark.promise("bounded")


def acting(action: str, user: str = "user_alice01") -> Auth.types.AuthContext:
    return cast(Auth.types.AuthContext, SimpleNamespace(action=action, user=SimpleNamespace(identity=user)))


async def authorized(action: str, user: str = "user_alice01") -> Any:
    return await langgraph_server.own_threads(acting(action, user), {"metadata": {}})


async def test_runs_are_counted_and_reads_are_not(sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in (sandbox.environment | {"MAX_REQUESTS_PER_MINUTE": "2"}).items():
        monkeypatch.setenv(name, value)
    for _ in range(10):
        assert await authorized("read") == {"owner": "user_alice01"}
    refused = None
    for _ in range(3):
        try:
            await authorized("create_run")
        except Auth.exceptions.HTTPException as error:
            refused = error
    assert refused is not None
    assert refused.status_code == 429
    assert AgentCode.RATE_LIMITED in refused.detail
    assert refused.headers is not None
    assert 1 <= int(refused.headers["Retry-After"]) <= 60
    assert await authorized("create_run", "user_bob01") == {"owner": "user_bob01"}
    await (await agent_of_this_loop()).aclose()
