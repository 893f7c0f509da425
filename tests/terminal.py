"""A command on a real terminal (a pty), typed at and read by a test."""

import asyncio
import contextlib
import os
import pty
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from multiprocessing.process import BaseProcess
from pathlib import Path

from tests.clock import same_clock
from tests.command import CONSOLE_SCRIPT
from tests.forked import fork

CTRL_C, CTRL_D, UP = "\x03", "\x04", "\x1b[A"


@dataclass
class OnTerminal:
    """A running command, and what its terminal has shown."""

    process: BaseProcess
    terminal: int
    shown: str = ""
    _read_to: int = 0
    _closed: bool = False
    _news: asyncio.Event = field(default_factory=asyncio.Event)

    def read(self) -> None:
        """Called when there is output."""
        try:
            self.shown += os.read(self.terminal, 65_536).decode(errors="replace").replace("\r\n", "\n")
        except OSError:  # the command has closed its side
            asyncio.get_running_loop().remove_reader(self.terminal)
            self._closed = True
        self._news.set()

    async def shows(self, text: str) -> str:
        """Waits for `text` after what was waited for before; what was shown until then."""
        try:
            return await self._shown(text, 60)
        except TimeoutError:
            raise AssertionError(f"{text!r} is not in {self.shown[self._read_to :]!r}") from None

    async def _shown(self, text: str, seconds: float) -> str:
        async with asyncio.timeout(seconds):
            while (found := self.shown.find(text, self._read_to)) < 0:
                assert not self._closed, self.shown
                self._news.clear()
                await self._news.wait()
        before, self._read_to = self.shown[self._read_to : found], found + len(text)
        return before

    def types(self, text: str, end: str = "\r") -> None:
        """Types `text`, and Enter."""
        os.write(self.terminal, (text + end).encode())

    async def interrupts_the_prompt(self, prompt: str) -> None:
        """Presses Ctrl-C until `prompt` is shown again, as a person would.

        CPython misses a signal between the moment in which `input` shows its prompt and the one in which it
        waits for a key: it is noticed with the next one.
        """
        for seconds in (10, 10, 60):
            self.types("", end=CTRL_C)
            with contextlib.suppress(TimeoutError):
                await self._shown(prompt, seconds)
                return
        raise AssertionError(f"{prompt!r} is not in {self.shown[self._read_to :]!r}")

    async def ends(self) -> int:
        """Its exit status."""
        await asyncio.to_thread(self.process.join, 60)
        assert self.process.exitcode is not None, self.shown
        return self.process.exitcode


@contextlib.asynccontextmanager
async def on_terminal(
    *arguments: str, folder: Path, program: Path = CONSOLE_SCRIPT, **variables: str
) -> AsyncIterator[OnTerminal]:
    """Runs `idaas-agent` with `arguments`, and with a terminal of its own as all of its streams.

    It is forked, as `tests.command.forked` does it. `program` is another script in its place.
    """
    master, slave = pty.openpty()
    environment = {name: os.environ[name] for name in ("PATH", "HOME", "PYTHONPATH") if name in os.environ}
    environment |= same_clock() | {"TERM": "xterm", "INPUTRC": "/dev/null"} | variables
    process = fork([str(program), *arguments], environment, folder, slave, is_terminal=True)
    os.close(slave)
    command = OnTerminal(process, master)
    asyncio.get_running_loop().add_reader(master, command.read)
    try:
        yield command
    finally:
        asyncio.get_running_loop().remove_reader(master)
        process.kill()
        await asyncio.to_thread(process.join)
        os.close(master)
