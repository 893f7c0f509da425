"""The file of the audit log, to which whole lines are appended, and which may be rotated; standard output."""

import errno
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from identity.audit.chain import Head, latest_heads
from identity.audit.log import Destination

_TAIL: Final = 65_536
"""Bytes at the end of a file in which other chains are looked for."""


class AuditFile(Destination):
    """Appends to the file `path`; creates it with mode 600 if it is missing.

    Appended lines survive the end of the process, but not a loss of power (no fsync). If log rotation has
    moved or removed the file, a new one is created. Several processes may share a file.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._descriptor: int | None = None
        self._torn = False

    def append(self, lines: Sequence[str]) -> int:
        """See `Destination`. If a line was written in part, the part is blanked where the file allows it."""
        descriptor = self._open()
        content = "".join(lines).encode()
        if not content:
            return 0
        if self._torn:
            os.write(descriptor, b"\n")
            self._torn = False
        written = os.write(descriptor, content)
        if written == len(content):
            return len(lines)
        whole = content.rfind(b"\n", 0, written) + 1
        if part := content[whole:written]:
            self._torn = not _blanked(self._path, descriptor, part)
        if whole == 0:
            raise OSError(errno.EIO, "a line was written in part")
        return content.count(b"\n", 0, whole)

    def heads(self) -> Sequence[Head]:
        """The chains in the last 64 KiB of the file that is there now."""
        return latest_heads(_end(self._path, _TAIL).splitlines())

    def close(self) -> None:
        """Closes the file."""
        if self._descriptor is not None:
            os.close(self._descriptor)
            self._descriptor = None

    def _open(self) -> int:
        if self._descriptor is not None:
            try:
                here, there = os.fstat(self._descriptor), self._path.stat()
            except FileNotFoundError:
                self.close()
            else:
                if (here.st_dev, here.st_ino) != (there.st_dev, there.st_ino):
                    self.close()
        if self._descriptor is None:
            flags = os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC
            self._descriptor = os.open(self._path, flags, 0o600)
            # A process may have been interrupted while it wrote.
            self._torn = _end(self._path, 1) not in (b"", b"\n")
        return self._descriptor


def _blanked(path: Path, descriptor: int, part: bytes) -> bool:
    """Replaces `part`, which `descriptor` has just written, by blanks and a line end.

    Only these bytes are touched, so that a line which another process has appended since is safe.
    """
    try:
        end = os.lseek(descriptor, 0, os.SEEK_CUR)
        place = os.open(path, os.O_RDWR | os.O_CLOEXEC)
    except OSError:
        return False
    try:
        if not os.path.sameopenfile(place, descriptor) or os.pread(place, len(part), end - len(part)) != part:
            return False
        return os.pwrite(place, b" " * (len(part) - 1) + b"\n", end - len(part)) == len(part)
    except OSError:
        return False
    finally:
        os.close(place)


def _end(path: Path, size: int) -> bytes:
    """The last `size` bytes of a file; nothing if it cannot be read."""
    try:
        if not path.is_file():  # opening a pipe would wait for its writer
            return b""
        with path.open("rb") as file:
            file.seek(max(0, file.seek(0, os.SEEK_END) - size))
            return file.read(size)
    except OSError:
        return b""


class StandardOutput(Destination):
    """For platforms that collect it. Each line is a write of its own, so that lines of
    several processes do not mix.

    A pipe keeps writes of up to 4,096 bytes whole; the agent's lines are seldom longer than 1,500.
    """

    def __init__(self, descriptor: int = 1) -> None:
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

    def close(self) -> None:
        """Leaves it open: it is the process's."""

    def _write(self, line: str) -> None:
        if self._torn:
            line = f"\n{line}"
        content = line.encode()
        while content:
            written = os.write(self._descriptor, content)
            content = content[written:]
            self._torn = bool(content)
