"""Keeps garbage collection away from responses: of what lives as long as the process, and while it works.

Modules, schemas and the graph are half a million objects. With the interpreter's defaults a chat pays for
traversing them: a third of its CPU time, and most of the slowest responses (`docs/performance.md`).
"""

import asyncio
import gc
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
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


@contextmanager
def frozen_startup_objects() -> Iterator[None]:
    """What exists when the block ends is never collected. In the block nothing is: it is a tenth faster."""
    gc.disable()
    try:
        yield
    finally:
        gc.freeze()
        gc.set_threshold(*_THRESHOLDS)
        gc.enable()


@asynccontextmanager
async def collected_when_idle(
    may_stop: Callable[[], bool],
    *,
    collect: Callable[[], object] = gc.collect,
    processor: Callable[[], float] = time.process_time,
    sleep: Callable[[float], Awaitable[object]] = asyncio.sleep,
) -> AsyncIterator[None]:
    """While the block runs, collects all generations if there are new objects, the process has done nearly
    nothing for ten seconds, and `may_stop` is true: it stops for a few tens of milliseconds.
    """

    async def collect_periodically() -> None:
        while True:
            before = processor()
            await sleep(_SECONDS)
            new, *older = gc.get_count()
            if (any(older) or new > _FEW) and processor() - before < _IDLE * _SECONDS and may_stop():
                collect()

    task = asyncio.create_task(collect_periodically(), name="collect garbage")
    try:
        yield
    finally:
        task.cancel()
        await asyncio.wait([task])
