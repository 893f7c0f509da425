"""Clients of an agent that limits requests."""

import contextlib
from collections.abc import AsyncIterator

import httpx
import pytest

from agent.api.app import create_app
from agent.composition.agent import Agent
from agent.settings.settings import read_settings
from tests.suite import Sandbox

MODELS = "/openai/v1/models"


@contextlib.asynccontextmanager
async def client_of(sandbox: Sandbox, **variables: str) -> AsyncIterator[httpx.AsyncClient]:
    """A client of a new application, without an access token."""
    settings = read_settings(sandbox.environment | variables)
    agent = Agent(settings, clock=sandbox.clock)
    transport = httpx.ASGITransport(create_app(settings, agent))
    async with httpx.AsyncClient(transport=transport, base_url="http://agent") as http:
        yield http
    await agent.aclose()


def signed_in(sandbox: Sandbox, user: str = "alice") -> dict[str, str]:
    return {"Authorization": f"Bearer {sandbox.access_token(user)}"}


async def until_refused(
    http: httpx.AsyncClient, sandbox: Sandbox, user: str = "alice", *, within: int
) -> httpx.Response:
    """The first response with another status than 200."""
    headers = signed_in(sandbox, user)
    for _ in range(within + 1):
        response = await http.get(MODELS, headers=headers)
        if response.status_code != 200:
            return response
    pytest.fail("nothing was refused")
