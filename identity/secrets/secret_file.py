"""Secrets and keys that may be replaced while the agent runs, and those that do not change.

One in a file that the agent presents is read again when its file changes, without a restart.

A file may contain two values, the preferred one first. The second is for the time in which the server accepts
only one of them, and which one is not known: a value that is refused is replaced by the other.
Kubernetes secrets and systemd credentials are such files.
"""

import asyncio
import logging
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Generic, Protocol, TypeVar

from identity.secrets.secret import Secret

T = TypeVar("T")
T_co = TypeVar("T_co", covariant=True)

_LOG: Final = logging.getLogger("idaas_agent.secret_file")
_MAX_AGE: Final = 1.0
_MAX_BYTES: Final = 65_536
_MAX_VALUES: Final = 2
_MAX_TOKEN_BYTES: Final = 16_384


class SecretSource(Protocol[T_co]):
    """A secret, a key or another credential of the agent itself. Neither method blocks the event loop."""

    async def current(self) -> T_co:
        """The value to present now. Raises `UnreachableError` if there is none."""

    async def renew(self, refused: object) -> bool:
        """Whether `current` now gives another value than `refused`, which the server did not accept."""


@dataclass(frozen=True, slots=True)
class FixedSecret(Generic[T]):
    """A `SecretSource` whose value never changes, such as that of an environment variable."""

    value: T

    async def current(self) -> T:
        return self.value

    async def renew(self, refused: object) -> bool:
        return self.value != refused


class SecretFile(Generic[T]):
    """A `SecretSource` of a file's values.

    `parse` reads the values of the file's text and raises `ValueError`, without a value, if it cannot. The
    file is read at most once a second, in a thread, and at once after a refusal. While it cannot
    be read or parsed, the values read before stay in use, and one warning is logged.
    """

    def __init__(
        self, path: Path, parse: Callable[[str], tuple[T, ...]], *, clock: Callable[[], float] = time.time
    ) -> None:
        """Reads the file for the first time. Raises `ValueError` with the reason if it cannot be used."""
        self._path = path
        self._parse = parse
        self._clock = clock
        self._text = read_bounded_text(path, _MAX_BYTES)
        self._values = _parsed(parse, self._text)
        self._refused: object = None
        self._read_at = clock()
        self._warned = False

    async def current(self) -> T:
        """See `SecretSource`. The first value, or the second after the first was refused."""
        if not 0 <= self._clock() - self._read_at < _MAX_AGE:
            await self._read_again()
        return next((value for value in self._values if value != self._refused), self._values[0])

    async def renew(self, refused: object) -> bool:
        await self._read_again()
        self._refused = refused
        return await self.current() != refused

    async def _read_again(self) -> None:
        self._read_at = self._clock()  # concurrent callers use what was read before
        try:
            text = await asyncio.to_thread(read_bounded_text, self._path, _MAX_BYTES)
            if text != self._text:
                self._values = await asyncio.to_thread(_parsed, self._parse, text)
                self._text = text
                self._refused = None
                _LOG.info('file "%s" has changed: its new value is in use', self._path)
        except ValueError as error:
            if not self._warned:
                _LOG.warning('file "%s" %s: the value read before stays in use', self._path, error)
            self._warned = True
        else:
            self._warned = False


def parse_secret_lines(text: str) -> tuple[str, ...]:
    """The secrets of a file, one on each line. Raises `ValueError`, without a value."""
    lines = tuple(line.strip() for line in text.splitlines() if line.strip())
    if any("-----BEGIN" in line for line in lines):
        raise ValueError("contains a key or certificate, not a secret")
    if not all(line.isascii() and line.isprintable() and " " not in line for line in lines):
        raise ValueError("must contain one secret, or two on two lines, in ASCII without spaces")
    return lines


def _parsed(parse: Callable[[str], tuple[T, ...]], text: str) -> tuple[T, ...]:
    values = parse(text)
    if not 1 <= len(values) <= _MAX_VALUES:
        raise ValueError(f"must contain one value or two, found {len(values)}")
    return values


def read_bounded_file(path: Path, max_bytes: int) -> bytes:
    """The content of a file of bounded size. Blocks: call it in a thread.

    Raises `ValueError`, without any of the content, if the file cannot be read or has more than `max_bytes`.
    """
    try:
        with path.open("rb") as file:
            content = file.read(max_bytes + 1)
    except OSError as error:
        raise ValueError(f"cannot be read: {(error.strerror or 'it cannot be opened').lower()}") from None
    if len(content) > max_bytes:
        raise ValueError(f"is larger than {max_bytes} bytes")
    return content


def read_bounded_text(path: Path, max_bytes: int) -> str:
    """The text of a file, in UTF-8, as `read_bounded_file` reads it."""
    try:
        return read_bounded_file(path, max_bytes).decode("utf-8")
    except UnicodeDecodeError:
        raise ValueError("is not UTF-8") from None


def read_token_file(path: Path) -> Secret:
    """The token that the platform keeps in a file, without white space around it.

    Blocks: call it in a thread. Raises `ValueError`, without the token, if there is no usable one.
    """
    content = read_bounded_file(path, _MAX_TOKEN_BYTES)
    token = content.decode("ascii", "replace").strip()
    if not token or not token.isascii() or not token.isprintable():
        raise ValueError("contains no token")
    return Secret(token)
