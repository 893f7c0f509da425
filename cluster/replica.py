"""One replica: the agent's own command `serve` as a process."""

import asyncio
import contextlib
import os
import signal
import subprocess
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Final

import httpx

_COMMAND: Final = str(Path(sys.executable).with_name("idaas-agent"))
_READY_SECONDS: Final = 120.0


class Replica:
    """A process that can be killed, and started again on the same port. Its output goes to `log`."""

    def __init__(self, name: str, port: int, variables: Mapping[str, str], log: Path) -> None:
        """`variables` are its environment. Starts nothing."""
        self.name: Final = name
        self.port: Final = port
        self.log: Final = log
        self._variables = {**variables, "AGENT_HOST": "127.0.0.1", "AGENT_PORT": str(port)}
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Starts the process. `ready` waits for it."""
        with self.log.open("ab") as output:
            self._process = subprocess.Popen(  # noqa: S603 - the agent's own command
                [_COMMAND, "serve"],
                env={"PATH": os.defpath} | self._variables,
                cwd=self.log.parent,
                stdout=output,
                stderr=subprocess.STDOUT,
            )

    async def ready(self) -> None:
        """Waits for at most two minutes. Raises `RuntimeError` with the end of its log if it is not ready."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(_READY_SECONDS), httpx.AsyncClient(trust_env=False) as http:
                while self.running:
                    with contextlib.suppress(httpx.HTTPError):
                        if (await http.get(f"http://127.0.0.1:{self.port}/ready")).status_code == 200:
                            return
                    await asyncio.sleep(0.05)
        fault = f"{self.name} did not start: {self.log.read_text()[-2000:]}"
        raise RuntimeError(fault)

    def command(self, *arguments: str) -> None:
        """Runs another command of the agent with the settings of this replica. Raises if it fails."""
        subprocess.run(  # noqa: S603 - the agent's own command
            [_COMMAND, *arguments],
            env={"PATH": os.defpath} | self._variables | {"AUDIT_LOG_FILE": "-"},
            cwd=self.log.parent,
            check=True,
            capture_output=True,
        )

    @property
    def running(self) -> bool:
        """Whether the process has been started and has not ended."""
        return self._process is not None and self._process.poll() is None

    def kill(self) -> None:
        """Ends the process as a failure does (SIGKILL)."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()

    @contextlib.contextmanager
    def hanging(self) -> Iterator[None]:
        """The process keeps its connections, and does nothing, until the block ends."""
        if self._process is not None:
            self._process.send_signal(signal.SIGSTOP)
        try:
            yield
        finally:
            if self._process is not None:
                self._process.send_signal(signal.SIGCONT)

    def stop(self) -> None:
        """Ends the process as an operator does (SIGTERM), and waits for it."""
        if self._process is None or not self.running:
            return
        self._process.terminate()
        try:
            self._process.wait(timeout=20)
        except subprocess.TimeoutExpired:
            self.kill()
