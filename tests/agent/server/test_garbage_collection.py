"""What lives to the end is out of the garbage collector's sight. In a process of its own: it is for good."""

import subprocess
import sys

SCRIPT = """
import gc, weakref
from agent.server.garbage_collection import pause_gc, freeze_startup_objects

pause_gc()
assert not gc.isenabled()

class Node: pass

def cycle():
    node = Node()
    node.itself = node
    return weakref.ref(node)

freeze_startup_objects()
assert gc.isenabled()
assert gc.get_freeze_count() > 1000, gc.get_freeze_count()
later = cycle()
gc.collect()
assert later() is None
"""


def test_what_exists_is_spared_and_later_cycles_are_still_collected():
    done = subprocess.run([sys.executable, "-c", SCRIPT], capture_output=True, text=True, check=False)  # noqa: S603 - a fixed script
    assert done.returncode == 0, done.stderr
