"""Returns free memory of the C library to the system, three times a minute.

Cached tokens are texts of 700 to 900 bytes with long lives; buffers of requests between them have short ones,
so the heap fragments over time. Without this, resident memory grows by 0.2 MiB in a thousand requests of more
users than the caches have room for, although used memory does not (`make soak`). Pages between used blocks
are not returned when they become free: ninety answers of 4 MB left hundreds of MiB in the process.
"""

import asyncio
import ctypes
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from typing import Final

_SECONDS: Final = 20.0
"""A trim takes half a millisecond for each MiB that it returns, and allocations may wait for it: with this
interval it is never very much."""


def trim() -> None:
    """Returns all free pages by `malloc_trim` of glibc.

    Does nothing where the C library has no such function or cannot be opened.
    """
    with suppress(AttributeError, OSError, TypeError):
        ctypes.CDLL(None).malloc_trim(0)


@asynccontextmanager
async def periodic_malloc_trim(
    trim: Callable[[], None] = trim, *, seconds: float = _SECONDS
) -> AsyncIterator[None]:
    """Calls `trim` every `seconds` while the block runs, in a thread."""

    async def trim_periodically() -> None:
        while True:
            await asyncio.sleep(seconds)
            await asyncio.to_thread(trim)

    task = asyncio.create_task(trim_periodically(), name="free memory")
    try:
        yield
    finally:
        task.cancel()
        await asyncio.wait([task])
