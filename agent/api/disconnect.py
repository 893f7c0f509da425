"""Notices that a client has disconnected, so that its run is cancelled."""

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any, TypeVar

from starlette.requests import ClientDisconnect
from starlette.types import Receive

T = TypeVar("T")


async def disconnected(receive: Receive) -> None:
    """Waits until the client has disconnected. The request's body must have been read."""
    while (await receive())["type"] != "http.disconnect":
        pass


async def while_connected(
    waiting: Coroutine[Any, Any, T], receive: Receive, leave: Callable[[], None] = lambda: None
) -> T:
    """The result of `waiting`.

    If the client disconnects first, or the task is cancelled, cancels it and calls `leave`. Raises
    `ClientDisconnect` for a client that has disconnected.
    """
    task = asyncio.current_task()
    ended = False
    assert task is not None  # noqa: S101 - a coroutine of this function runs in one

    def cancel(_: asyncio.Future[None]) -> None:
        if not ended:
            task.cancel()

    watch = asyncio.ensure_future(disconnected(receive))
    watch.add_done_callback(cancel)
    try:
        return await waiting
    except asyncio.CancelledError:
        leave()
        if not watch.done() or task.uncancel():
            raise
        raise ClientDisconnect from None
    finally:
        ended = True
        watch.cancel()
