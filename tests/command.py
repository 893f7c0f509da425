"""A command as a real process, for tests of its signal handling."""

import asyncio
import contextlib
import os
import re
import signal
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, field
from pathlib import Path

from tests.clock import same_clock
from tests.forked import fork

CONSOLE_SCRIPT = Path(sys.executable).with_name("idaas-agent")


@dataclass
class Command:
    """A running command in its own process group, and its output so far."""

    pid: int
    _output: asyncio.StreamReader
    _wait: Callable[[], Awaitable[int]]
    printed: str = ""
    _news: asyncio.Condition = field(default_factory=asyncio.Condition)

    def __post_init__(self) -> None:
        self._reading = asyncio.create_task(self._read())

    async def _read(self) -> None:
        async for line in self._output:
            async with self._news:
                self.printed += line.decode()
                self._news.notify_all()

    async def says(self, text: str, times: int = 1) -> None:
        """Waits until its output contains `text` that many times."""
        async with asyncio.timeout(60), self._news:
            await self._news.wait_for(lambda: self.printed.count(text) >= times)

    async def port(self, processes: int = 1) -> int:
        """The port of an agent, once so many of its processes serve."""
        await self.says("startup complete", times=processes)
        return int(re.findall(r"listening on \S+, port (\d+)", self.printed)[0])

    def send_signal(self, number: int) -> None:
        """Sends a signal to the process; not to those that it started."""
        os.kill(self.pid, number)

    async def ends(self) -> int:
        """Its exit status, after all processes that it started have ended and closed its output."""
        async with asyncio.timeout(60):
            await self._reading
            return await self._wait()


@contextlib.asynccontextmanager
async def running(*arguments: str, folder: Path, **variables: str) -> AsyncIterator[Command]:
    """Runs it in `folder`. It must end within the block or soon after, without a traceback."""
    process = await asyncio.create_subprocess_exec(
        *arguments,
        cwd=folder,
        env=_inherited() | variables,
        start_new_session=True,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    assert process.stdout is not None
    async with _ended(Command(process.pid, process.stdout, process.wait)) as command:
        yield command


@contextlib.asynccontextmanager
async def forked(
    *arguments: str, folder: Path, program: Path = CONSOLE_SCRIPT, **variables: str
) -> AsyncIterator[Command]:
    """As `running` the script `program` with `arguments`, whose imports take no time."""
    readable, writable = os.pipe()
    process = fork([str(program), *arguments], _inherited() | variables, folder, writable)
    os.close(writable)
    assert process.pid is not None
    output = asyncio.StreamReader()
    transport, _ = await asyncio.get_running_loop().connect_read_pipe(
        lambda: asyncio.StreamReaderProtocol(output), os.fdopen(readable, "rb", 0)
    )

    async def wait() -> int:
        await asyncio.to_thread(process.join)
        assert process.exitcode is not None
        return process.exitcode

    try:
        async with _ended(Command(process.pid, output, wait)) as command:
            yield command
    finally:
        transport.close()


def _inherited() -> dict[str, str]:
    """What tests need of the environment; and no delay after SIGTERM, which no balancer needs here."""
    names = ("PATH", "HOME", "PYTHONPATH")
    inherited = {name: os.environ[name] for name in names if name in os.environ} | same_clock()
    return inherited | {"SHUTDOWN_DELAY_SECONDS": "0"}


@contextlib.asynccontextmanager
async def _ended(command: Command) -> AsyncIterator[Command]:
    try:
        yield command
        await command.ends()
        assert "Traceback" not in command.printed
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(command.pid, signal.SIGKILL)
        await command._wait()
