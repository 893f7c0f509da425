"""Revocations in a file: one JSON object a line, appended. For all processes of one machine."""

import asyncio
import fcntl
import logging
import os
from collections.abc import AsyncGenerator, Awaitable, Callable, Generator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from agent.operations.revocation.store import StoreError
from identity.access_token.revocation import Revocation, from_json, to_json

_LOG: Final = logging.getLogger("idaas_agent.revocation")
_POLL_SECONDS: Final = 0.1
_CHUNK_BYTES: Final = 256 * 1024
"""How much is read at once: about 2,000 revocations."""


class FileStore:
    """A `RevocationStore` over the file `path`, which is created with mode 600 by the first `put`.

    A `put` is on disk (fsync) when it returns. Other processes read it within a tenth of a second. A line
    that is not a revocation is skipped; its number is in the log. `changes` ends when the file was removed,
    replaced or shortened. Lines are read, parsed and removed in a thread.
    """

    name: Final = "the file of REVOCATIONS_FILE"
    lasts: Final = True
    shared: Final = False

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
        self._identity, self._offset, self._line = None, 0, 0
        all_sent = False
        while True:
            try:
                while (found := await self._read()) is not None:
                    if found:
                        yield found
            except _ReplacedError:
                return
            if not all_sent:
                yield []
                all_sent = True
            await self._sleep(_POLL_SECONDS)

    async def remove(self, revocations: Sequence[Revocation]) -> None:
        """See `RevocationStore`. Readers read the new file from its beginning."""
        try:
            await asyncio.to_thread(self._rewrite, revocations)
        except OSError as error:
            raise self._error("written", error) from None

    async def aclose(self) -> None:
        """See `RevocationStore`."""

    @contextmanager
    def _locked(self) -> Generator[int]:
        """The open file, which no other process appends to or replaces meanwhile."""
        self._path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        while True:
            descriptor = os.open(self._path, os.O_RDWR | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o600)
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX)
                if self._path.exists() and _identity(os.fstat(descriptor)) == _identity(self._path.stat()):
                    yield descriptor
                    return
            finally:
                os.close(descriptor)

    def _append(self, lines: bytes) -> None:
        with self._locked() as descriptor:
            end = os.fstat(descriptor).st_size
            if end and os.pread(descriptor, 1, end - 1) != b"\n":
                lines = b"\n" + lines  # an earlier write was cut off
            if self._identity == _identity(os.fstat(descriptor)):  # other processes hear of the same ones
                unread = frozenset(os.pread(descriptor, end - self._offset, self._offset).splitlines())
                lines = b"".join(each for each in lines.splitlines(True) if each.rstrip() not in unread)
            _write(descriptor, lines)

    def _rewrite(self, revocations: Sequence[Revocation]) -> None:
        removed = frozenset(revocations)
        new = self._path.with_name(f"{self._path.name}.new")
        with self._locked(), self._path.open("rb") as file:
            kept = b"".join(line for line in file if _revocation(line) not in removed)
            descriptor = os.open(new, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
            try:
                _write(descriptor, kept)
            finally:
                os.close(descriptor)
            new.replace(self._path)
            folder = os.open(self._path.parent, os.O_RDONLY | os.O_CLOEXEC)
            try:
                os.fsync(folder)
            finally:
                os.close(folder)

    async def _read(self) -> list[Revocation] | None:
        """The revocations of the next complete lines; `None` if no further lines can be read."""
        try:
            status = self._path.stat()
            if self._identity not in (None, _identity(status)) or status.st_size < self._offset:
                raise _ReplacedError
            self._identity = _identity(status)
            if status.st_size == self._offset:
                return None
            lines, found = await asyncio.to_thread(self._chunk, self._offset, self._line)
        except FileNotFoundError:
            if self._identity is not None:
                raise _ReplacedError from None
            return None
        except OSError as error:
            raise self._error("read", error) from None
        self._offset += sum(map(len, lines))
        self._line += len(lines)
        return found if lines else None

    def _chunk(self, offset: int, line: int) -> tuple[list[bytes], list[Revocation]]:
        """The complete lines from `offset` on, about a chunk of them, and their revocations."""
        with self._path.open("rb") as file:
            if _identity(os.fstat(file.fileno())) != self._identity:
                raise _ReplacedError
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


class _ReplacedError(Exception):
    """The file is another one than before, or shorter."""


def _identity(status: os.stat_result) -> tuple[int, int]:
    return status.st_dev, status.st_ino


def _write(descriptor: int, lines: bytes) -> None:
    """Returns when they are on disk."""
    while lines:
        lines = lines[os.write(descriptor, lines) :]
    os.fsync(descriptor)


def _revocation(line: bytes) -> Revocation | None:
    """`None` for a line of another form."""
    try:
        return from_json(line)
    except ValueError:
        return None
