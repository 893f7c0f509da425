"""Startup objects are excluded from garbage collection, and others are collected while the process is idle.

The first is tested in a process of its own, because it cannot be undone.
"""

import asyncio
import gc
import subprocess
import sys

import pytest

from agent.background import running
from agent.http.memory import collect_when_idle, trim_periodically

SCRIPT = """
import gc, weakref
from agent.http.memory import frozen_startup_objects

class Node: pass

def cycle():
    node = Node()
    node.itself = node
    return weakref.ref(node)

with frozen_startup_objects():
    assert not gc.isenabled()
assert gc.isenabled()
assert gc.get_freeze_count() > 1000, gc.get_freeze_count()
later = cycle()
gc.collect()
assert later() is None
"""


def test_startup_objects_are_frozen_and_later_cycles_are_collected():
    done = subprocess.run([sys.executable, "-c", SCRIPT], capture_output=True, text=True, check=False)  # noqa: S603 - a fixed script
    assert done.returncode == 0, done.stderr


class Quiet:
    """Ten seconds, ten times: what the process used of each, and whether it may stop."""

    def __init__(self, used: float, may_stop: bool) -> None:
        self.used, self.may_stop = used, may_stop
        self.now = 0.0
        self.collected = 0
        self.rounds = 0
        self.over = asyncio.Event()

    async def sleep(self, seconds: float) -> None:
        assert seconds == 10
        self.now += self.used
        self.kept = [[] for _ in range(3_000)]  # new objects
        self.rounds += 1
        if self.rounds > 10:
            self.over.set()
            await asyncio.Event().wait()

    def collect(self) -> None:
        self.collected += 1


@pytest.mark.parametrize(
    ("quiet", "times"), [(Quiet(0.5, True), 10), (Quiet(2.0, True), 0), (Quiet(0.5, False), 0)]
)
async def test_everything_is_collected_while_the_process_is_idle_and_no_run_is_open(
    quiet: Quiet, times: int
) -> None:
    options = {"collect": quiet.collect, "processor": lambda: quiet.now, "sleep": quiet.sleep}
    gc.disable()
    try:
        async with running(collect_when_idle(lambda: quiet.may_stop, **options)):
            await quiet.over.wait()
    finally:
        gc.enable()
    assert quiet.collected == times


_HOLE = """
import platform
from agent.http.memory import trim

def resident():
    with open("/proc/self/statm") as file:
        return int(file.read().split()[1])

blocks = [b"x" * 100_000 for _ in range(400)]  # each below malloc's threshold for a separate mapping
last = blocks[-1]  # keeps the heap from shrinking at its end
del blocks
before = resident()
trim()
if platform.libc_ver()[0] == "glibc":  # no other C library has malloc_trim
    assert before - resident() > 5000, (before, resident())
"""


async def test_trim_repeats_until_the_block_ends():
    loop, often, times = asyncio.get_running_loop(), asyncio.Event(), []

    def note():
        times.append(1)
        if len(times) == 3:
            loop.call_soon_threadsafe(often.set)

    before = asyncio.all_tasks()
    async with running(trim_periodically(note, seconds=0)):
        await asyncio.wait_for(often.wait(), 10)
    assert asyncio.all_tasks() == before


def test_trim_returns_free_pages_inside_the_heap():
    done = subprocess.run([sys.executable, "-c", _HOLE], capture_output=True, text=True, check=False)  # noqa: S603 - a fixed script
    assert done.returncode == 0, done.stderr
