"""The Protocol of what audit lines are written to: a file, standard output, or syslog."""

from collections.abc import Sequence
from typing import Protocol

from agent.operations.audit.chain import Head


class Destination(Protocol):
    """Takes complete lines, in order. One thread uses it."""

    def append(self, lines: Sequence[str]) -> int:
        """Writes `lines`, and returns how many of them, from the first, are written: at least one.

        Raises `OSError` if not even the first can be written. Without lines it only finds out, as far as
        possible, whether it could write.
        """
        ...

    def heads(self) -> Sequence[Head]:
        """The latest lines of other chains that are already there, as far as the destination can be read."""
        ...

    def close(self) -> None:
        """Releases what is open."""
        ...
