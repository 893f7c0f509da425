"""Excludes the objects made at the start from garbage collection: they live as long as the process.

Modules, schemas and the graph are half a million objects. With the interpreter's defaults a chat pays for
walking them: a third of its CPU, and most of the slowest answers (`docs/performance.md`).
"""

import gc
from typing import Final

_THRESHOLDS: Final = (10_000, 20, 50)
"""Collect the young after so many more allocations than releases (default 700): a chat makes thousands, and
nearly all of them end with it, by their reference counts."""


def pause_gc() -> None:
    """No collection while things are made that live to the end: a tenth of the time that a start takes."""
    gc.disable()


def freeze_startup_objects() -> None:
    """Call it when all is imported and composed: what exists now is not looked at any more."""
    gc.freeze()
    gc.set_threshold(*_THRESHOLDS)
    gc.enable()
