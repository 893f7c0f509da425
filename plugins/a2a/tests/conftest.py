"""The official client of A2A, for users of served agents."""

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from typing import Any

import pytest

from plugins.a2a.tests.official_client import ClientOf, OfficialClient, official_client
from tests.agent.api.threads.served_threads import Threads


@pytest.fixture
async def client() -> AsyncIterator[ClientOf]:
    """`await client(served, user=…, streaming=…, version=…)`."""
    async with AsyncExitStack() as stack:

        async def of(served: Threads, user: str = "alice", **options: Any) -> OfficialClient:
            token = served.headers(user)["Authorization"].removeprefix("Bearer ")
            entered = official_client(served.origin, token, **options)
            return await stack.enter_async_context(entered)

        yield of
