"""The file of the audit log: lines are appended whole, and it may be rotated at any time."""

import os
from pathlib import Path


class AuditFile:
    """Appends to the file `path`; creates it with mode 600 if it is missing. Not thread-safe.

    Appended lines survive the end of the process, but not a loss of power (no fsync). If log rotation has
    moved or removed the file, a new one is created. Several processes may share a file.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._descriptor: int | None = None
        self._torn = False

    def append(self, lines: str) -> None:
        """Writes complete lines. Raises `OSError`; some of the lines may have been written then."""
        content = (("\n" if self._torn else "") + lines).encode()
        descriptor = self._open()
        while content:
            written = os.write(descriptor, content)
            content = content[written:]
            self._torn = bool(content)

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
            self._torn = False
        return self._descriptor
