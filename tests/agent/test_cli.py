"""The console script: when it imports the command line, and what garbage collection does meanwhile.

In a process of its own, because what is frozen stays so.
"""

import subprocess
import sys

SCRIPT = """
import gc, sys
from agent.cli import main
assert "typer" not in sys.modules
sys.argv = ["idaas-agent", "--version"]
collections = sum(each["collections"] for each in gc.get_stats())
try:
    main()
except SystemExit as end:
    assert not end.code
assert "typer" in sys.modules
assert gc.isenabled()
assert gc.get_freeze_count() > 10_000, gc.get_freeze_count()
assert sum(each["collections"] for each in gc.get_stats()) - collections < 10
"""


def test_command_line_is_imported_outside_of_garbage_collection():
    done = subprocess.run([sys.executable, "-c", SCRIPT], capture_output=True, text=True, check=False)  # noqa: S603 - a fixed script
    assert done.returncode == 0, done.stderr
