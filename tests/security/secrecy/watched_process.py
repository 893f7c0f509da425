"""Runs `watched_agent` in a process of its own, and waits until it has ended."""

import asyncio
import os
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from tests.security.secrecy.langsmith_collector import variables_of

ROOT = Path(__file__).parents[3]


@asynccontextmanager
async def watched_process(
    folder: Path, collector: str, variables: dict[str, str]
) -> AsyncIterator[tuple[subprocess.Popen[bytes], str]]:
    """The process and its origin, under Human identity, with a collector's variables. What it prints is in
    the files `out` and `err` of `folder`.
    """
    inherited = {
        name: value for name, value in os.environ.items() if not name.startswith(("LANGSMITH", "LANGCHAIN"))
    }
    environment = inherited | variables | variables_of(collector)
    environment |= {"ACCESS_IDENTITY": "Human", "PYTHONPATH": str(ROOT)}
    address = folder / "address"
    command = [sys.executable, "-m", "tests.security.secrecy.watched_agent", str(address)]
    with (folder / "out").open("wb") as out, (folder / "err").open("wb") as err:
        process = subprocess.Popen(  # noqa: ASYNC220, S603 - our own command; it starts in the background
            command, cwd=folder, env=environment, stdin=subprocess.PIPE, stdout=out, stderr=err
        )
        try:
            async with asyncio.timeout(60):
                while not (address.exists() and address.read_text()):
                    assert process.poll() is None, (folder / "err").read_text()[-2000:]
                    await asyncio.sleep(0.05)  # another process: there is no event to wait for
            yield process, address.read_text()
        finally:
            assert process.stdin is not None
            process.stdin.close()
            await asyncio.to_thread(process.wait, 30)  # it sends what it has to send before it ends
