"""Callers' access in memory, and a way to serve an ASGI application on loopback."""

import socket
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any

import pytest
import uvicorn

from identity.access_identity import AccessIdentity
from identity.credential import ApiKey, Credential
from identity.secret import Secret

Serve = Callable[[Any], Awaitable[str]]


class KeyRing:
    """An access (`tools.service.Access`) whose credential is the next of `keys` after each renewal."""

    def __init__(self, *keys: str) -> None:
        self._keys = list(keys)
        self.renewals: list[Credential] = []
        self._credential = self._next()

    async def credential(self) -> Credential:
        return self._credential

    async def renew(self, refused: Credential) -> Credential:
        self.renewals.append(refused)
        self._credential = self._next()
        return self._credential

    def _next(self) -> Credential:
        key = self._keys.pop(0) if len(self._keys) > 1 else self._keys[0]
        return Credential(ApiKey("key"), AccessIdentity.MACHINE, Secret(key), time.time() + 600)


@pytest.fixture
def key_ring() -> type[KeyRing]:
    return KeyRing


@asynccontextmanager
async def served(application: Any) -> AsyncIterator[str]:
    listener = socket.create_server(("127.0.0.1", 0))
    config = uvicorn.Config(application, log_level="critical", lifespan="on")
    config.load()
    server = uvicorn.Server(config)
    server.lifespan = config.lifespan_class(config)
    await server.startup(sockets=[listener])
    try:
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"
    finally:
        server.force_exit = True
        for connection in list(server.server_state.connections):
            connection.shutdown()
        for task in list(server.server_state.tasks):
            task.cancel()
        await server.shutdown(sockets=[listener])
        await server.lifespan.shutdown()


@pytest.fixture
async def serve() -> AsyncIterator[Serve]:
    """Serves an application until the test ends, and tells its origin."""
    async with AsyncExitStack() as stack:

        async def start(application: Any) -> str:
            return await stack.enter_async_context(served(application))

        yield start
