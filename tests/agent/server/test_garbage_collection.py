"""Startup objects are excluded from garbage collection.

The test runs in its own process, because this cannot be undone.
"""

import subprocess
import sys

SCRIPT = """
import gc, weakref
from agent.server.garbage_collection import frozen_startup_objects

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
