"""Keeps garbage collection away from responses, and returns free memory to the system.

Modules, schemas and the graph are half a million objects. With the interpreter's defaults a chat pays for
traversing them: a third of its CPU time, and most of the slowest responses (`docs/performance.md`).
"""

import asyncio
import ctypes
import gc
import time
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager, suppress
from typing import Final

_THRESHOLDS: Final = (10_000, 5, 200)
"""Collect the youngest generation after so many more allocations than releases (default 700): a chat makes
thousands of objects, and reference counts release nearly all of them when it ends. The next generation is
collected after five of these: it stops the process for a microsecond for each object, and open runs have
many. The oldest is collected when the process is idle: a run leaves no cycles, but libraries do."""
_SECONDS: Final = 10.0
_IDLE: Final = 0.1
"""An idle process uses less than this part of the time of a processor."""
_FEW: Final = 2_000
"""New objects for which no collection is worth while."""
_TRIM_SECONDS: Final = 20.0
"""A trim takes half a millisecond for each MiB that it returns, and allocations may wait for it: with this
interval it is never very much."""


@contextmanager
def frozen_startup_objects() -> Iterator[None]:
    """Objects that exist when the block ends are never collected. The block is a tenth faster: in it nothing
    is collected.
    """
    gc.disable()
    try:
        yield
    finally:
        gc.freeze()
        gc.set_threshold(*_THRESHOLDS)
        gc.enable()


async def collect_when_idle(
    may_stop: Callable[[], bool],
    *,
    collect: Callable[[], object] = gc.collect,
    processor: Callable[[], float] = time.process_time,
    sleep: Callable[[float], Awaitable[object]] = asyncio.sleep,
) -> None:
    """Until it is cancelled, collects all generations whenever there are new objects, the process has done
    nearly nothing for ten seconds, and `may_stop` is true: it stops for a few tens of milliseconds.
    """
    while True:
        before = processor()
        await sleep(_SECONDS)
        new, *older = gc.get_count()
        if (any(older) or new > _FEW) and processor() - before < _IDLE * _SECONDS and may_stop():
            collect()


def trim() -> None:
    """Returns all free pages by `malloc_trim` of glibc.

    Does nothing where the C library has no such function or cannot be opened.
    """
    with suppress(AttributeError, OSError, TypeError):
        ctypes.CDLL(None).malloc_trim(0)


async def trim_periodically(trim: Callable[[], None] = trim, *, seconds: float = _TRIM_SECONDS) -> None:
    """Calls `trim` every `seconds` in a thread, until it is cancelled.

    Cached tokens are texts of 700 to 900 bytes with long lives; buffers of requests between them have short
    ones, so the heap fragments over time. Without this, resident memory grows by 0.2 MiB in a thousand
    requests of more users than the caches have room for, although used memory does not (`make soak`). Pages
    between used blocks are not returned when they become free: ninety answers of 4 MB left hundreds of MiB in
    the process.
    """
    while True:
        await asyncio.sleep(seconds)
        await asyncio.to_thread(trim)
