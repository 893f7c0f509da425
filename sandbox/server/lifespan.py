"""Running an ASGI application's lifespan, for applications that share one listener."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from starlette.types import ASGIApp, Message


@asynccontextmanager
async def lifespan(app: ASGIApp) -> AsyncIterator[None]:
    """Starts `app` (ASGI lifespan protocol) and stops it at the end; raises what its startup raised.

    The application runs in a task of its own, so that task groups in it begin and end in one task.
    """
    incoming: asyncio.Queue[Message] = asyncio.Queue()
    outgoing: asyncio.Queue[Message] = asyncio.Queue()

    async def run() -> None:
        try:
            await app(
                {"type": "lifespan", "asgi": {"version": "3.0"}, "state": {}}, incoming.get, outgoing.put
            )
        finally:
            await outgoing.put({"type": "ended"})

    task = asyncio.create_task(run())
    await incoming.put({"type": "lifespan.startup"})
    if (await outgoing.get())["type"] != "lifespan.startup.complete":
        await task
        raise RuntimeError("an application of the sandbox did not start")
    try:
        yield
    finally:
        await incoming.put({"type": "lifespan.shutdown"})
        await task
