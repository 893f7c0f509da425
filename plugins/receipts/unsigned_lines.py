"""The lines of an audit log that are not signed yet, also after the log was rotated, and what is wrong there.

A line is signed once. Refused, with its place, is one that contradicts its hash, and one that is not after
the latest signed line of its process: it was inserted or moved, or one before it claims too high a number.
"""

import gzip
import hashlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from io import BufferedIOBase
from pathlib import Path
from typing import Final

from agent.operations.audit.verify import MAX_LINE
from identity.audit.chain import AuditKey, Line, line_hash, split
from plugins.receipts.merkle import leaf_hash
from plugins.receipts.signed_log import Chain, SignedState

_AT_ONCE: Final = 100_000
"""Lines of one checkpoint: what is signed at once is in memory."""


@dataclass(frozen=True, slots=True)
class UnsignedLines:
    """The leaves of further lines, and the state once they are signed. `more`: there are lines after them.
    `findings` are what is wrong there, each with its place.
    """

    state: SignedState
    leaves: Sequence[bytes]
    findings: Sequence[str]
    more: bool


def unsigned_lines(
    files: Sequence[Path],
    state: SignedState,
    keys: Sequence[AuditKey] = (),
    *,
    is_signed: Callable[[bytes], bool] = lambda _: False,
    at_once: int = _AT_ONCE,
) -> UnsignedLines:
    """The next lines of `files`, and of those beside them to which log rotation has moved earlier lines, the
    earliest first. Compressed files are read if they are named. `keys` are those of the lines' own hashes.
    `is_signed` is asked about the leaf of a line that comes again.

    Raises `OSError`.
    """
    reading = _Reading(state, keys, is_signed)
    for path in log_files(files):
        with _opened(path) as file:
            name = hashlib.sha256(file.readline(MAX_LINE)).hexdigest()[:32]
            file.seek(state.files.get(name, 0))
            begins = file.tell()
            while _is_whole(text := file.readline(MAX_LINE)):
                reading.read(text.rstrip(b"\n"), f"{path}, byte {begins}")
                reading.files[name] = begins = file.tell()
                if reading.number >= at_once:
                    return reading.result(more=True)
    return reading.result(more=False)


def log_files(files: Sequence[Path]) -> list[Path]:
    """`files`, and those of their folders to which log rotation has moved what was in them, by the times of
    their first lines. Raises `OSError`.
    """
    named = dict.fromkeys(files)
    for path in files:
        beside = (
            other
            for other in path.parent.iterdir()
            if other.name.startswith((f"{path.name}.", f"{path.name}-"))
        )
        named |= dict.fromkeys(other for other in beside if other.is_file() and other.suffix != ".gz")
    return sorted(named, key=_first_line)


def _first_line(path: Path) -> bytes:
    with _opened(path) as file:
        return file.readline(MAX_LINE)


def _opened(path: Path) -> BufferedIOBase:
    return gzip.open(path, "rb") if path.suffix == ".gz" else path.open("rb")


def _is_whole(text: bytes) -> bool:
    """Whether a line has its end, or is none of the log because it is too long. Others are being written."""
    return text.endswith(b"\n") or len(text) == MAX_LINE


class _Reading:
    """Reads lines in their order."""

    def __init__(
        self, state: SignedState, keys: Sequence[AuditKey], is_signed: Callable[[bytes], bool]
    ) -> None:
        self._state = state
        self._is_signed = is_signed
        self._refused = state.refused
        self._keys: Mapping[str, AuditKey] = {key.id: key for key in keys}
        self._chains = dict(state.chains)
        self._findings: list[str] = []
        self.files = dict(state.files)
        self._leaves: dict[bytes, None] = {}

    @property
    def number(self) -> int:
        """How many lines are to be signed."""
        return len(self._leaves)

    @property
    def leaves(self) -> Sequence[bytes]:
        """The leaves of the lines to be signed."""
        return [*self._leaves]

    def read(self, text: bytes, place: str) -> None:
        """A line of a file. The remains of an interrupted write may be before it."""
        for line, part in _lines(text):
            leaf = leaf_hash(part)
            before = self._chains.get(line.head.process)
            is_later = before is None or line.head.seq > before.seq
            if not is_later and (leaf in self._leaves or self._is_signed(leaf)):
                continue
            number = f"{place}: number {line.head.seq} of process {line.head.process}"
            if (refusal := self._refusal(line)) is not None:
                self._refused += 1
                self._findings.append(f"{number} is not signed: {refusal}")
                continue
            if before is not None and line.previous != before.hash:
                self._findings.append(f"{number} does not follow number {before.seq}, which is signed")
            self._chains[line.head.process] = Chain(line.head.seq, line.head.hash)
            self._leaves[leaf] = None

    def _refusal(self, line: Line) -> str | None:
        """Why a line is not signed; `None`: it is."""
        if self._keys and line.key not in self._keys:
            return "it has none of the keys of AUDIT_KEY_FILE"
        if self._is_changed(line):
            return "it does not match its hash"
        before = self._chains.get(line.head.process)
        if before is None or line.head.seq > before.seq:
            return None
        is_signed = f"number {before.seq} is, and this line is none of those before it"
        return f"{is_signed}; see idaas-agent audit verify"

    def _is_changed(self, line: Line) -> bool:
        """Whether its hash is not that of its content. Without its key, that is not known."""
        if line.key is not None and line.key not in self._keys:
            return False
        key = None if line.key is None else self._keys[line.key]
        return line_hash(line.body, key) != line.head.hash

    def result(self, *, more: bool) -> UnsignedLines:
        """The lines that were read so far."""
        state = replace(self._state, files=self.files, chains=self._chains, refused=self._refused)
        return UnsignedLines(state, self.leaves, self._findings, more)


def _lines(text: bytes) -> Iterator[tuple[Line, bytes]]:
    for part in split(text):
        if (line := Line.parse(part)) is not None:
            yield line, part
