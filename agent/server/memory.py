"""What the C library holds free goes back to the system, once a minute.

Tokens are texts of 700 to 900 bytes that stay for as long as their users come. The buffers of requests come
and go between them, and users who have not come for long make room for others: in time the heap has holes.
What is in use stays the same, but resident memory would grow, by 0.2 MiB in a thousand requests of more users
than are remembered (`make soak`).
"""

import asyncio
import ctypes
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from typing import Final

_SECONDS: Final = 60.0


def trim() -> None:
    """Gives back every page that is free as a whole: `malloc_trim` of glibc, a fraction of a millisecond.

    Other C libraries have nothing of the kind, and some systems no way to it; there it does nothing.
    """
    with suppress(AttributeError, OSError, TypeError):
        ctypes.CDLL(None).malloc_trim(0)


@asynccontextmanager
async def periodic_malloc_trim(
    trim: Callable[[], None] = trim, *, seconds: float = _SECONDS
) -> AsyncIterator[None]:
    """While the block runs, every `seconds`, in a thread."""

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
