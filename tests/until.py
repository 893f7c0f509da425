"""Waits for what reports nothing to a test: another process, a thread, a server.

It is asked again after a pause, so that the other one has the processor meanwhile.
"""

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import Final

_PAUSE: Final = 0.02
_SECONDS: Final = 60.0
"""A busy machine is no fault; what never comes is one."""


async def until(condition: Callable[[], bool | Awaitable[bool]]) -> None:
    """Returns once `condition` is met. Raises `TimeoutError` after a minute."""
    async with asyncio.timeout(_SECONDS):
        while not await _met(condition):  # noqa: ASYNC110 - nobody reports it
            await asyncio.sleep(_PAUSE)


async def _met(condition: Callable[[], bool | Awaitable[bool]]) -> bool:
    answer = condition()
    return answer if isinstance(answer, bool) else await answer


def wait_until(condition: Callable[[], bool]) -> None:
    """As `until`, for a test without an event loop. Raises `TimeoutError` after a minute."""
    deadline = time.monotonic() + _SECONDS
    while not condition():
        if time.monotonic() > deadline:
            raise TimeoutError
        time.sleep(_PAUSE)
