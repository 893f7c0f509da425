"""Standard output as the destination of audit lines, for platforms that collect it."""

import os
from collections.abc import Sequence
from typing import Final

from agent.operations.audit.chain import Head

_STDOUT: Final = 1


class StandardOutput:
    """A `Destination`. Each line is a write of its own, so that lines of several processes do not mix.

    A pipe keeps writes of up to 4,096 bytes whole; the agent's lines are seldom longer than 1,500.
    """

    def __init__(self, descriptor: int = _STDOUT) -> None:
        self._descriptor = descriptor
        self._torn = False

    def append(self, lines: Sequence[str]) -> int:
        for count, line in enumerate(lines):
            try:
                self._write(line)
            except OSError:
                if count == 0:
                    raise
                return count
        return len(lines)

    def heads(self) -> Sequence[Head]:
        """None: it cannot be read."""
        return []

    def close(self) -> None:
        """Leaves it open: it is the process's."""

    def _write(self, line: str) -> None:
        content = (("\n" if self._torn else "") + line).encode()
        while content:
            written = os.write(self._descriptor, content)
            content = content[written:]
            self._torn = bool(content)
