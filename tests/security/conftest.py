"""Fixtures of the security tests: an agent without pauses between retries, and its requests to IDaaS."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from urllib.parse import parse_qs

import httpx
import pytest

from identity.transport.retry import RetryPolicy
from tests.running_agent import RunningAgent


@dataclass
class IdentityRequests:
    """The grants that an agent requested from IDaaS, also those that a fault kept from arriving."""

    grants: list[str] = field(default_factory=list)

    async def record(self, request: httpx.Request) -> None:
        """An event hook of the agent's client."""
        if request.method == "POST":
            form = parse_qs((await request.aread()).decode())
            self.grants += form["grant_type"]


@dataclass(frozen=True)
class ImpatientAgent:
    """An agent that retries without waiting, and its requests to IDaaS."""

    agent: RunningAgent
    requests: IdentityRequests


@pytest.fixture
def start_impatient_agent(
    start_agent: Callable[..., Awaitable[RunningAgent]],
) -> Callable[..., Awaitable[ImpatientAgent]]:
    """As `start_agent`, without waits between attempts."""

    async def start(access_identity: str, **variables: str) -> ImpatientAgent:
        agent = await start_agent(access_identity, **variables)
        agent.composed.idaas.retries = RetryPolicy(sleep=lambda _: asyncio.sleep(0))
        requests = IdentityRequests()
        agent.composed.http.event_hooks = {"request": [requests.record]}
        return ImpatientAgent(agent, requests)

    return start
