"""`idaas-agent serve`, in a process that tells of itself: on SIGUSR1 it writes down how many tasks it has.

python -m benchmarks.servers.watched_agent FILE PORT
"""

import asyncio
import gc
import json
import signal
import sys
from pathlib import Path

from agent.cli import app


def tell(file: Path) -> None:
    """Asyncio's tasks, and the blocks that the interpreter's allocator has given out: what is in use."""
    gc.collect()
    draft = file.with_suffix(".draft")
    draft.write_text(json.dumps({"tasks": len(asyncio.all_tasks()), "blocks": sys.getallocatedblocks()}))
    draft.rename(file)


if __name__ == "__main__":
    signal.signal(signal.SIGUSR1, lambda *_: tell(Path(sys.argv[1])))
    app(["serve", "--port", sys.argv[2]])
