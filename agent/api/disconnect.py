"""Detects that the client disconnected, so that its run is cancelled."""

import asyncio
from collections.abc import Coroutine
from typing import Any, TypeVar

from starlette.requests import ClientDisconnect
from starlette.types import Receive

from agent.run import Run

T = TypeVar("T")


class ClientLeftError(ClientDisconnect):
    """The client closed the connection before there was an answer."""


async def left(receive: Receive) -> None:
    """Returns when the client is gone. The request's body must have been read."""
    while (await receive())["type"] != "http.disconnect":
        pass


async def while_connected(run: Run, waiting: Coroutine[Any, Any, T], receive: Receive) -> T:
    """The result of `waiting`. If the client leaves first: cancels `run`, raises `ClientLeftError`."""
    work = asyncio.ensure_future(waiting)
    gone = asyncio.ensure_future(left(receive))
    try:
        await asyncio.wait({work, gone}, return_when=asyncio.FIRST_COMPLETED)
        if work.done():
            return work.result()
        raise ClientLeftError
    finally:
        gone.cancel()
        if not work.done():
            work.cancel()
            run.cancel()
