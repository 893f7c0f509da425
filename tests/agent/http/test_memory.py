"""Free memory is returned to the system while the agent serves, and the task ends with the agent."""

import asyncio
import subprocess
import sys

from agent.http.memory import periodic_malloc_trim

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
    async with periodic_malloc_trim(note, seconds=0):
        await asyncio.wait_for(often.wait(), 10)
    assert asyncio.all_tasks() == before


def test_trim_returns_free_pages_inside_the_heap():
    done = subprocess.run([sys.executable, "-c", _HOLE], capture_output=True, text=True, check=False)  # noqa: S603 - a fixed script
    assert done.returncode == 0, done.stderr
