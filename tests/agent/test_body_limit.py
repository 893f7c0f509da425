"""The size of a request's body is counted, whatever its headers say."""

from collections.abc import AsyncIterator

from tests.agent.conftest import AgentServer

CHAT = "/openai/v1/chat/completions"
LIMIT = 1_048_576


async def pieces(count: int) -> AsyncIterator[bytes]:
    for _ in range(count):
        yield b" " * 65_536


async def test_a_large_body_is_refused_by_its_announced_length(agent_server: AgentServer) -> None:
    response = await agent_server.client().post(CHAT, content=b" " * (LIMIT + 1))
    assert response.status_code == 413
    assert response.json()["error"]["code"] == "request_too_large"


async def test_a_large_body_is_refused_while_it_streams(agent_server: AgentServer) -> None:
    response = await agent_server.client().post(CHAT, content=pieces(20))
    assert response.status_code == 413


async def test_langserve_has_the_same_limit(agent_server: AgentServer) -> None:
    response = await agent_server.client().post("/agent/invoke", content=pieces(20))
    assert response.status_code == 413


async def test_a_stranger_is_refused_before_the_body_is_read(agent_server: AgentServer) -> None:
    response = await agent_server.client(None).post(CHAT, content=pieces(20))
    assert response.status_code == 401
