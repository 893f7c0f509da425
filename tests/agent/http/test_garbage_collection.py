"""Startup objects are excluded from garbage collection, and others are collected while the process is idle.

The first is tested in a process of its own, because it cannot be undone.
"""

import asyncio
import gc
import subprocess
import sys

import pytest

from agent.http.memory import collected_when_idle

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
        async with collected_when_idle(lambda: quiet.may_stop, **options):
            await quiet.over.wait()
    finally:
        gc.enable()
    assert quiet.collected == times
