"""A server whose calls of functions are counted: SIGUSR2 begins a profile, and the next one ends it.

    python -m benchmarks.servers.profiled agent|bare FILE PORT

The profile is that of the thread of the event loop, in which chats run. The file is empty once a profile has
begun, and `pstats` reads it once it has ended.
"""

import cProfile
import signal
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Final

import uvicorn

from agent.commands.command_line import app
from benchmarks.peers import bare


class Profile:
    """Profiles of this thread, one after another, each of which replaces the one before in the file."""

    def __init__(self, file: Path) -> None:
        self._file = file
        self._running: cProfile.Profile | None = None

    def toggle(self) -> None:
        """Begins a profile; or ends the one that runs, and writes it."""
        if self._running is None:
            self._file.write_bytes(b"")
            self._running = cProfile.Profile()
            self._running.enable()
            return
        self._running.disable()
        draft = self._file.with_suffix(".draft")
        self._running.dump_stats(draft)
        self._running = None
        draft.rename(self._file)


def _agent(port: int) -> None:
    app(["serve", "--port", str(port)])


def _bare(port: int) -> None:
    uvicorn.run(bare.app, factory=True, port=port, access_log=False, log_level="warning")


_SERVERS: Final[Mapping[str, Callable[[int], None]]] = MappingProxyType({"agent": _agent, "bare": _bare})

if __name__ == "__main__":
    name, file, port = sys.argv[1:]
    profile = Profile(Path(file))
    signal.signal(signal.SIGUSR2, lambda *_: profile.toggle())
    _SERVERS[name](int(port))
