"""One instance of a packaged agent: unpacked, started with the platform's variables alone, frozen at rest."""

import asyncio
import contextlib
import shutil
import signal
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

import yaml

from tests.clock import same_clock

_CODE: Final = "/code"
_START_SECONDS: Final = 120.0
_PATH: Final = "/usr/local/bin:/usr/bin:/bin"


class InstanceFailedError(Exception):
    """The command ended before it listened, or did not listen in time (the platform: FunctionNotStarted)."""


class Instance:
    """Starts a package in `folder`, which takes the place of the platform's `/code`.

    `platform` are the variables that the platform sets, such as the execution role's credential; nothing of
    this process's environment reaches the agent. `interpreter` runs what the command calls `python3`.
    """

    def __init__(
        self, package: Path, folder: Path, *, platform: Mapping[str, str], interpreter: str, port: int
    ) -> None:
        """`package` is the folder with `code.zip` and `s.yaml`. `port` takes the place of the agent's."""
        document = yaml.safe_load((package / "s.yaml").read_text("utf-8"))
        self._agent: dict[str, Any] = document["resources"]["agent"]["props"]["agent"]
        self._archive = package / "code.zip"
        self._folder = folder
        self._platform = platform
        self._interpreter = interpreter
        self.port = port
        self.frozen = False
        self._process: asyncio.subprocess.Process | None = None
        self._log = folder.with_name(f"{folder.name}.log")

    @property
    def name(self) -> str:
        """The runtime's name."""
        return str(self._agent["name"])

    @property
    def log(self) -> str:
        """The agent's output."""
        return self._log.read_text("utf-8", errors="replace")

    async def start(self) -> None:
        """Unpacks, starts, and returns when the port accepts. Raises `InstanceFailedError` with the log."""
        shutil.rmtree(self._folder, ignore_errors=True)
        self._folder.mkdir(parents=True)
        with zipfile.ZipFile(self._archive) as archive:
            archive.extractall(self._folder)
        first, *rest = self._agent["code"]["command"]
        command = [self._interpreter if first == "python3" else first, *rest]
        with self._log.open("wb") as log:
            self._process = await asyncio.create_subprocess_exec(
                *command, cwd=self._folder, env=self._environment(), stdout=log, stderr=log
            )
        async with asyncio.timeout(_START_SECONDS):
            while not await self._listens():
                if self._process.returncode is not None:
                    raise InstanceFailedError(self.log)
                await asyncio.sleep(0.05)

    def freeze(self) -> None:
        """Stops all threads and timers, as the platform does after the last response."""
        if self._process is not None and self._process.returncode is None:
            self._process.send_signal(signal.SIGSTOP)
            self.frozen = True

    def thaw(self) -> None:
        """Continues a frozen instance."""
        if self._process is not None and self._process.returncode is None:
            self._process.send_signal(signal.SIGCONT)
            self.frozen = False

    async def stop(self) -> None:
        """Kills the instance: the platform promises no signal before the end."""
        if self._process is not None and self._process.returncode is None:
            with contextlib.suppress(ProcessLookupError):
                self._process.kill()
            await self._process.wait()

    def _environment(self) -> dict[str, str]:
        given = self._agent.get("environmentVariables", {})
        moved = {
            name: str(self._folder) + value.removeprefix(_CODE) if value.startswith(f"{_CODE}/") else value
            for name, value in given.items()
        }
        own = {"AGENT_PORT": str(self.port), "AGENT_HOST": "127.0.0.1"}
        base = {"PATH": _PATH, "HOME": str(self._folder), "LANG": "C.UTF-8", **same_clock()}
        return {**base, **self._platform, **moved, **own}

    async def _listens(self) -> bool:
        try:
            _, writer = await asyncio.open_connection("127.0.0.1", self.port)
        except OSError:
            return False
        writer.close()
        return True
