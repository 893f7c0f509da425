"""The auth handler of an application, as the servers call it."""

from types import SimpleNamespace
from typing import Any

import pytest
from langgraph_sdk import Auth

from idaas_agent.library.langgraph_auth import auth_handler
from tests.graph.memory_seams import Tokens

pytestmark = pytest.mark.promise("verified-caller")


async def authenticated(headers: dict[Any, Any]) -> Any:
    settings: Any = SimpleNamespace(agent_audience="agent", agent_scope="agent.access")
    handler: Any = auth_handler(settings, Tokens().verify)._authenticate_handler
    return await handler(headers=headers)


@pytest.mark.parametrize(
    "headers",
    [
        {b"authorization": b"Bearer alice-at"},  # LangGraph Server
        {"authorization": "Bearer alice-at"},  # Aegra
    ],
)
async def test_bearer_is_verified_on_each_server(headers: dict[Any, Any]) -> None:
    assert (await authenticated(headers))["identity"] == "alice"


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"x-authorization": "Bearer alice-at"},
        {"authorization": "alice-at"},
        {"authorization": "Bearer alice-at", "Authorization": "Bearer bob-at"},
        {b"authorization": b"Bearer alice-at", "authorization": "Bearer bob-at"},
    ],
)
async def test_request_without_one_token_is_refused(headers: dict[Any, Any]) -> None:
    with pytest.raises(Auth.exceptions.HTTPException) as caught:
        await authenticated(headers)
    assert caught.value.status_code == 401


@pytest.mark.parametrize(
    "run",
    [
        {"kwargs": {"context": {"access_token": "bob-at"}}},  # LangGraph Server
        {"context": {"access_token": "bob-at"}},  # Aegra
        {"config": {"configurable": {"access_token": "bob-at"}}},
        {"kwargs": {"config": {"configurable": {"access_token": "bob-at"}}}},
        {"params": {"context": {"access_token": "bob-at"}}},  # Aegra's commands of a thread
        {"params": {"config": {"configurable": {"access_token": "bob-at"}}}},
    ],
)
async def test_run_with_a_token_in_its_context_is_refused(run: dict[str, Any]) -> None:
    settings: Any = SimpleNamespace(agent_audience="agent", agent_scope="agent.access")
    [own_threads] = auth_handler(settings, Tokens().verify)._handlers["threads", "*"]
    context: Any = SimpleNamespace(action="create_run", user=SimpleNamespace(identity="alice"))
    with pytest.raises(Auth.exceptions.HTTPException) as caught:
        await own_threads(ctx=context, value=run)
    assert caught.value.status_code == 403
