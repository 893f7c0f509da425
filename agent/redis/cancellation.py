"""A cancellation that a library does not lose."""

import asyncio
from collections.abc import Generator
from contextlib import contextmanager


@contextmanager
def kept_cancellation() -> Generator[None]:
    """Raises `asyncio.CancelledError` at its end if the task was cancelled within, whatever was raised there.

    At some steps the Redis client loses a cancellation, and its caller would go on.
    """
    task = asyncio.current_task()
    if task is None:
        raise RuntimeError("kept_cancellation is for coroutines of a task")
    cancellations = task.cancelling()
    try:
        yield
    finally:
        if task.cancelling() > cancellations:
            raise asyncio.CancelledError
