"""`idaas-agent serve`, in a process that reports on itself: SIGUSR2 makes it write its task count to a file.

python -m benchmarks.servers.monitored_agent FILE PORT
"""

import asyncio
import json
import signal
import sys
from pathlib import Path

from agent.commands.command_line import app


def write_report(file: Path) -> None:
    """Writes the number of asyncio tasks and of memory blocks that the interpreter has allocated.

    Collects no garbage: what the agent leaves to the collector is to be seen.
    """
    draft = file.with_suffix(".draft")
    draft.write_text(json.dumps({"tasks": len(asyncio.all_tasks()), "blocks": sys.getallocatedblocks()}))
    draft.rename(file)


if __name__ == "__main__":
    signal.signal(signal.SIGUSR2, lambda *_: write_report(Path(sys.argv[1])))
    app(["serve", "--port", sys.argv[2]])
