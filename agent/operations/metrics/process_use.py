"""The processor time and the memory of this process."""

import os
import resource
from pathlib import Path
from typing import Final

_PAGE: Final = os.sysconf("SC_PAGE_SIZE")
_STATM: Final = Path("/proc/self/statm")


def cpu_seconds() -> float:
    """Of all threads, in user mode and in the kernel."""
    return sum(os.times()[:2])


def resident_bytes() -> int:
    """Resident memory; where the system has no /proc, the largest so far."""
    try:
        return int(_STATM.read_text("ascii").split()[1]) * _PAGE
    except OSError:
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
