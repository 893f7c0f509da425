"""A command as a real process, for tests of its signal handling."""

import asyncio
import contextlib
import os
import signal
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from pathlib import Path


@dataclass
class Command:
    """A running command in its own process group, and its output so far."""

    process: asyncio.subprocess.Process
    printed: str = ""
    _news: asyncio.Condition = field(default_factory=asyncio.Condition)

    def __post_init__(self) -> None:
        self._reading = asyncio.create_task(self._read())

    async def _read(self) -> None:
        assert self.process.stdout is not None
        async for line in self.process.stdout:
            async with self._news:
                self.printed += line.decode()
                self._news.notify_all()

    async def says(self, text: str, times: int = 1) -> None:
        """Waits until its output contains `text` that many times."""
        async with asyncio.timeout(60), self._news:
            await self._news.wait_for(lambda: self.printed.count(text) >= times)

    async def ends(self) -> int:
        """Its exit status, after all processes that it started have ended and closed its output."""
        async with asyncio.timeout(60):
            await self._reading
            return await self.process.wait()


@contextlib.asynccontextmanager
async def running(*arguments: str, folder: Path, **variables: str) -> AsyncIterator[Command]:
    """Runs it in `folder`. It must end within the block or soon after, without a traceback."""
    environment = {name: os.environ[name] for name in ("PATH", "HOME") if name in os.environ}
    process = await asyncio.create_subprocess_exec(
        *arguments,
        cwd=folder,
        env=environment | variables,
        start_new_session=True,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    command = Command(process)
    try:
        yield command
        await command.ends()
        assert "Traceback" not in command.printed
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        await process.wait()
