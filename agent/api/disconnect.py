"""Notices that a client has disconnected, so that its run is cancelled."""

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any, TypeVar

from starlette.requests import ClientDisconnect
from starlette.types import Receive

T = TypeVar("T")


class ClientDisconnectedError(ClientDisconnect):
    """The client closed the connection before the response began."""


async def disconnected(receive: Receive) -> None:
    """Waits until the client has disconnected. The request's body must have been read."""
    while (await receive())["type"] != "http.disconnect":
        pass


async def while_connected(
    waiting: Coroutine[Any, Any, T], receive: Receive, leave: Callable[[], None] = lambda: None
) -> T:
    """The result of `waiting`.

    If the client disconnects first, cancels it, calls `leave`, and raises `ClientDisconnectedError`.
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
            leave()
