"""Revocations in a file: one JSON object a line, appended. For all processes of one machine."""

import asyncio
import fcntl
import logging
import os
from collections.abc import AsyncGenerator, Awaitable, Callable, Sequence
from pathlib import Path
from typing import Final

from agent.revocation.store import StoreError
from identity.revocation.revocation import Revocation, from_json, to_json

_LOG: Final = logging.getLogger("idaas_agent.revocation")
_POLL_SECONDS: Final = 0.1
_CHUNK_BYTES: Final = 256 * 1024
"""How much is read at once: about 2,000 revocations."""


class FileStore:
    """A `RevocationStore` over the file `path`, which is created with mode 600 by the first `put`.

    A `put` is on disk (fsync) when it returns. Other processes read it within a tenth of a second. A line
    that is not a revocation is skipped; its number is in the log. A file that was moved or shortened is
    read again from its beginning; earlier revocations stay in force. Lines are read and parsed in a thread.
    """

    def __init__(self, path: Path, *, sleep: Callable[[float], Awaitable[object]] = asyncio.sleep) -> None:
        self._path = path
        self._sleep = sleep
        self._identity: tuple[int, int] | None = None
        self._offset = 0
        self._line = 0

    async def put(self, revocations: Sequence[Revocation]) -> None:
        """See `RevocationStore`."""
        lines = "".join(f"{to_json(revocation)}\n" for revocation in revocations)
        try:
            await asyncio.to_thread(self._append, lines.encode("ascii"))
        except OSError as error:
            raise self._error("written", error) from None

    async def changes(self) -> AsyncGenerator[Sequence[Revocation]]:
        """See `RevocationStore`. Looks at the file's size ten times a second."""
        self._identity = None
        all_sent = False
        while True:
            while (found := await self._read()) is not None:
                if found:
                    yield found
            if not all_sent:
                yield []
                all_sent = True
            await self._sleep(_POLL_SECONDS)

    async def aclose(self) -> None:
        """See `RevocationStore`."""

    def _append(self, lines: bytes) -> None:
        self._path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        descriptor = os.open(self._path, os.O_RDWR | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX)
            end = os.fstat(descriptor).st_size
            if end and os.pread(descriptor, 1, end - 1) != b"\n":
                lines = b"\n" + lines  # an earlier write was cut off
            while lines:
                lines = lines[os.write(descriptor, lines) :]
            os.fsync(descriptor)
        finally:
            os.close(descriptor)

    async def _read(self) -> list[Revocation] | None:
        """The revocations of the next complete lines; `None` if no further lines can be read."""
        try:
            status = self._path.stat()
            identity = status.st_dev, status.st_ino
            if identity != self._identity or status.st_size < self._offset:
                self._identity, self._offset, self._line = identity, 0, 0
            if status.st_size == self._offset:
                return None
            lines, found = await asyncio.to_thread(self._chunk, self._offset, self._line)
        except FileNotFoundError:
            return None
        except OSError as error:
            raise self._error("read", error) from None
        self._offset += sum(map(len, lines))
        self._line += len(lines)
        return found if lines else None

    def _chunk(self, offset: int, line: int) -> tuple[list[bytes], list[Revocation]]:
        """The complete lines from `offset` on, about a chunk of them, and their revocations."""
        with self._path.open("rb") as file:
            file.seek(offset)
            lines = file.readlines(_CHUNK_BYTES)
        if lines and not lines[-1].endswith(b"\n"):
            lines.pop()
        parsed = (self._parsed(text, number) for number, text in enumerate(lines, line + 1))
        return lines, [each for each in parsed if each is not None]

    def _parsed(self, text: bytes, number: int) -> Revocation | None:
        if not text.strip():
            return None
        try:
            return from_json(text)
        except ValueError as error:
            _LOG.error("%s: line %d is not a revocation: %s", self._path, number, error)
            return None

    def _error(self, verb: str, error: OSError) -> StoreError:
        return StoreError(f"{self._path} cannot be {verb}: {(error.strerror or 'it failed').lower()}")
