"""The limit of open files, of which every run needs two: its client's connection and the model's."""

from contextlib import suppress
from typing import Final

MOST: Final = 65_536


def raise_open_files_limit() -> int | None:
    """Raises this process's limit to the one that the system allows it, at most `MOST`; returns the limit.

    The usual limit of 1,024 is for programs that use `select`. Does nothing where there is none.
    """
    try:
        import resource
    except ImportError:  # not on Windows
        return None
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = MOST if hard == resource.RLIM_INFINITY else min(hard, MOST)
    if soft != resource.RLIM_INFINITY and soft < wanted:
        with suppress(OSError, ValueError):
            resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
    return resource.getrlimit(resource.RLIMIT_NOFILE)[0]
