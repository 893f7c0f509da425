"""Verifies the files of an audit log, however many chains are in them."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from agent.operations.audit.anchors import Anchors
from agent.operations.audit.chain import Head
from agent.operations.audit.chain_lines import ChainLines
from agent.operations.audit.finding import Finding, FindingKind, Place
from agent.operations.audit.key import AuditKey
from agent.operations.audit.line import Line, split
from agent.operations.audit.log_file import FileOrder, read_lines


@dataclass(frozen=True, slots=True)
class VerifiedChain:
    """What is known of one chain: its first and latest lines that were read."""

    first: int
    head: Head
    began: str
    latest: str
    ended: bool
    key: str | None


@dataclass(frozen=True, slots=True)
class Verification:
    """The result: findings in the order of files and lines, and all chains."""

    lines: int
    findings: Sequence[Finding]
    chains: Sequence[VerifiedChain]


def verify(
    files: Sequence[Path],
    keys: Sequence[AuditKey] = (),
    *,
    expected: Sequence[tuple[int, str]] = (),
    heads: Sequence[tuple[Head, Place]] = (),
    partial: bool = False,
) -> Verification:
    """Verifies `files` together: those of one log, in any order. Compressed ones end in `.gz`.

    With `keys`, each line must be signed by one of them; without, a line must not be signed. `expected` are
    the numbers and hashes of lines that must be there; `heads` too, with the place that names each.
    `partial`: chains may begin, and whole ones be, in earlier files.

    Each line that was removed, changed, moved, inserted or duplicated within its chain is found. Not found
    are: the removal of the latest lines of a chain, unless a later chain, `expected` or `heads` names one of
    them; the removal of a whole chain, likewise; without keys, lines with newly computed hashes; the order of
    lines of different chains. Raises `OSError`.
    """
    check = _Check(keys, Anchors(expected, heads), partial=partial)
    order = FileOrder(files)
    for file in files:
        for number, text in read_lines(file):
            order.note(file, text)
            check.anchors.note(text, Place(str(file), number))
    for file in order.files():
        for number, text in read_lines(file):
            check.read(Place(str(file), number), text)
    rank = {str(file): number for number, file in enumerate(order.files())}
    findings = sorted(check.findings(), key=lambda each: (rank.get(each.place.file, -1), each.place.line))
    return Verification(check.lines, findings, [_verified(chain) for chain in check.chains.values()])


class _Check:
    def __init__(self, keys: Sequence[AuditKey], anchors: Anchors, *, partial: bool) -> None:
        self.anchors = anchors
        self.chains: dict[str, ChainLines] = {}
        self.lines = 0
        self._keys = {key.id: key for key in keys}
        self._partial = partial
        self._findings: list[Finding] = []
        self._reported_keys: set[tuple[str, str | None]] = set()
        self._parts: list[tuple[Place, bytes]] = []

    def read(self, place: Place, text: bytes) -> None:
        """The next line of a file, which may be the remains of several."""
        for part in split(text):
            line = Line.parse(part)
            if line is None:
                self._parts.append((place, part))
            else:
                self.lines += 1
                self._take(place, line)

    def _take(self, place: Place, line: Line) -> None:
        trusted = self._is_unchanged(place, line)
        chain = self.chains.get(line.head.process)
        if chain is None:
            self.chains[line.head.process] = ChainLines(line, place, trusted=trusted)
        else:
            chain.take(line, place, trusted=trusted)
        if trusted:
            self._findings += self.anchors.compare(line.head, place)

    def _is_unchanged(self, place: Place, line: Line) -> bool:
        if line.key is None or line.key in self._keys:
            key = None if line.key is None else self._keys[line.key]
            if not line.has_hash_by(key):
                self._findings.append(
                    Finding(place, FindingKind.CHANGED, "changed: its content does not match its hash")
                )
                return False
        good = line.key in self._keys if self._keys else line.key is None
        if not good and (line.head.process, line.key) not in self._reported_keys:
            self._reported_keys.add((line.head.process, line.key))
            state = "not signed" if line.key is None else f"signed by key {line.key}, which was not given"
            problem = f"{state}, as further lines of process {line.head.process} may be"
            self._findings.append(Finding(place, FindingKind.KEY, problem))
        return True

    def findings(self) -> Iterable[Finding]:
        yield from self._findings
        yield from self.anchors.missing(self.chains.keys(), partial=self._partial)
        for place, _ in self._parts:
            yield Finding(place, FindingKind.FOREIGN, "no line of an audit log, or only a part of one")
        # A chain without a trusted line is a changed line under a changed name.
        for chain in self.chains.values():
            if chain.trusted:
                yield from chain.findings
                yield from chain.missing(partial=self._partial)
        if not self.lines:
            yield Finding(Place("no file", 0), FindingKind.EMPTY, "there is no line of an audit log")


def _verified(chain: ChainLines) -> VerifiedChain:
    first, last = chain.first_record, chain.last_record
    return VerifiedChain(
        chain.first, chain.last, str(first["time"]), str(last["time"]), chain.ended, last["key"]
    )
