"""Notices that a client has disconnected, so that its run is cancelled."""

import asyncio
from collections.abc import Coroutine
from typing import Any, Protocol, TypeVar

from starlette.requests import ClientDisconnect
from starlette.types import Receive

T = TypeVar("T")


class Cancellable(Protocol):
    """What a client reads, and leaves when it disconnects; such as `agent.runs.run_reader.RunReader`."""

    def cancel(self) -> None:
        """The client leaves. Does not wait; further calls do nothing."""
        ...


class ClientDisconnectedError(ClientDisconnect):
    """The client closed the connection before the response began."""


async def disconnected(receive: Receive) -> None:
    """Waits until the client has disconnected. The request's body must have been read."""
    while (await receive())["type"] != "http.disconnect":
        pass


async def while_connected(run: Cancellable | None, waiting: Coroutine[Any, Any, T], receive: Receive) -> T:
    """The result of `waiting`.

    If the client disconnects first, cancels it and `run`, and raises `ClientDisconnectedError`.
    """
    work = asyncio.ensure_future(waiting)
    disconnect = asyncio.ensure_future(disconnected(receive))
    try:
        await asyncio.wait({work, disconnect}, return_when=asyncio.FIRST_COMPLETED)
        if work.done():
            return work.result()
        raise ClientDisconnectedError
    finally:
        disconnect.cancel()
        if not work.done():
            work.cancel()
            if run is not None:
                run.cancel()
