"""Excludes the objects made at the start from garbage collection: they live as long as the process.

Modules, schemas and the graph are half a million objects. With the interpreter's defaults a chat pays for
traversing them: a third of its CPU time, and most of the slowest responses (`docs/performance.md`).
"""

import gc
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

_THRESHOLDS: Final = (10_000, 5, 200)
"""Collect the youngest generation after so many more allocations than releases (default 700): a chat makes
thousands of objects, and reference counts release nearly all of them when it ends. The next generation is
collected after five of these: it stops the process for a microsecond for each object, and open runs have
many."""


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
