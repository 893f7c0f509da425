"""A check that the event loop stays responsive while hostile input is processed."""

import asyncio
import gc
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

MOST_SECONDS = 0.25


@asynccontextmanager
async def responsive(most_seconds: float = MOST_SECONDS) -> AsyncIterator[None]:
    """Fails if the event loop computes for longer than `most_seconds` without giving way to other tasks.

    Another caller's `/health` waits that long, because one loop serves all callers. What is measured is the
    thread's processor time between two turns of the loop, so that a busy machine does not fail the test.
    """
    longest = 0.0
    at = time.thread_time()

    def measure() -> None:
        nonlocal longest, at
        now = time.thread_time()
        longest, at = max(longest, now - at), now

    async def watch() -> None:
        while True:
            await asyncio.sleep(0.005)
            measure()

    gc.disable()  # collecting a test run's objects takes a second
    watching = asyncio.create_task(watch())
    await asyncio.sleep(0)
    measure()
    try:
        yield
        measure()
    finally:
        gc.enable()
        watching.cancel()
    assert longest < most_seconds, f"the event loop was blocked for {longest:.3f} s of processor time"
