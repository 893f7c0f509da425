"""The official client of OpenAI, for users of served agents."""

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack

import openai
import pytest

from tests.agent.api.threads.served_threads import Threads

ClientOf = Callable[..., Awaitable[openai.AsyncOpenAI]]


@pytest.fixture
async def client() -> AsyncIterator[ClientOf]:
    """`await client(served, "alice")`."""
    async with AsyncExitStack() as stack:

        async def of(served: Threads, user: str = "alice") -> openai.AsyncOpenAI:
            token = served.headers(user)["Authorization"].removeprefix("Bearer ")
            made = openai.AsyncOpenAI(base_url=f"{served.origin}/openai/v1", api_key=token, max_retries=0)
            return await stack.enter_async_context(made)

        yield of
