"""Verifies the files of an audit log, however many chains are in them."""

import gzip
import re
from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from graphlib import CycleError, TopologicalSorter
from itertools import pairwise
from pathlib import Path
from typing import Any, Final

from identity.audit.chain import AuditKey, Head, Line, LogEvent, line_hash, split

MAX_LINE: Final = 1_048_576
"""Bytes. The agent's lines are shorter; a longer one is read in parts, none of which is a line."""
_NUMBER: Final = re.compile(rb'"process":"([0-9a-f]{1,64})","seq":([0-9]{1,18}),')


class FindingKind(StrEnum):
    """The fault of a line."""

    CHANGED = "changed"
    """Its content does not match its hash, or the hash that another line recorded of it."""

    REMOVED = "removed"
    """Lines before it are missing."""

    CUT_OFF = "cut_off"
    """Lines at the end of a chain are missing: they are recorded elsewhere."""

    MOVED = "moved"
    """It is not in its order."""

    DUPLICATED = "duplicated"
    """Its number occurs before in its chain: it is a copy, or was inserted."""

    FOREIGN = "foreign"
    """It is no line of an audit log, or only a part of one."""

    KEY = "key"
    """It is signed by a key that was not given, or not signed although keys were given."""

    EMPTY = "empty"
    """There is no line at all."""


@dataclass(frozen=True, slots=True)
class Place:
    """A line of a file; line 0 is the file as a whole."""

    file: str
    line: int

    def __str__(self) -> str:
        return f"{self.file}:{self.line}" if self.line else self.file


@dataclass(frozen=True, slots=True)
class Finding:
    """One finding, at the line where it shows."""

    place: Place
    kind: FindingKind
    problem: str

    def __str__(self) -> str:
        return f"{self.place}: {self.problem}"


@dataclass(frozen=True, slots=True)
class VerifiedChain:
    """One chain: its first and latest lines that were read."""

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
    heads: Sequence[tuple[Head, Place]] = (),
    partial: bool = False,
) -> Verification:
    """Verifies the files of one log together, in any order. Compressed files end in `.gz`.

    With `keys`, each line must be signed by one of them; without, a line must not be signed. `heads` are
    lines that must be there, with the place that names each.
    `partial`: chains may begin, and whole ones be, in earlier files.

    Each line that was removed, changed, moved, inserted or duplicated within its chain is found. Not found
    are: the removal of the latest lines of a chain, unless a later chain or `heads` names one of
    them; the removal of a whole chain, likewise; without keys, lines with newly computed hashes; the order of
    lines of different chains. Raises `OSError`.
    """
    check = _Check(keys, _Anchors(heads), partial=partial)
    order = _FileOrder(files)
    for file in files:
        for number, text in read_lines(file):
            order.note(file, text)
            check.anchors.note(text, Place(str(file), number))
    for file in order.files():
        for number, text in read_lines(file):
            check.read(Place(str(file), number), text)
    rank = {str(file): number for number, file in enumerate(order.files())}

    def position(finding: Finding) -> tuple[int, int]:
        return rank.get(finding.place.file, -1), finding.place.line

    findings = sorted(check.findings(), key=position)
    return Verification(check.lines, findings, [chain.verified() for chain in check.chains.values()])


class _Check:
    def __init__(self, keys: Sequence[AuditKey], anchors: "_Anchors", *, partial: bool) -> None:
        self.anchors = anchors
        self.chains: dict[str, _ChainLines] = {}
        self.lines = 0
        self._keys = {key.id: key for key in keys}
        self._partial = partial
        self._findings: list[Finding] = []
        self._reported_keys: set[tuple[str, str | None]] = set()
        self._foreign: list[Place] = []

    def read(self, place: Place, text: bytes) -> None:
        """The next line of a file, which may be the remains of several."""
        for part in split(text):
            line = Line.parse(part)
            if line is None:
                self._foreign.append(place)
            else:
                self.lines += 1
                self._take(place, line)

    def _take(self, place: Place, line: Line) -> None:
        trusted = self._is_unchanged(place, line)
        chain = self.chains.get(line.head.process)
        if chain is None:
            self.chains[line.head.process] = _ChainLines(line, place, trusted=trusted)
        else:
            chain.take(line, place, trusted=trusted)
        if trusted:
            self._findings += self.anchors.compare(line.head, place)

    def _is_unchanged(self, place: Place, line: Line) -> bool:
        if line.key is None or line.key in self._keys:
            key = None if line.key is None else self._keys[line.key]
            if line_hash(line.body, key) != line.head.hash:
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
        for place in self._foreign:
            yield Finding(place, FindingKind.FOREIGN, "no line of an audit log, or only a part of one")
        # A chain without a trusted line is a changed line under a changed name.
        for chain in self.chains.values():
            if chain.trusted:
                yield from chain.findings
                yield from chain.missing(partial=self._partial)
        if not self.lines:
            yield Finding(Place("no file", 0), FindingKind.EMPTY, "there is no line of an audit log")


@dataclass(slots=True)
class _Gap:
    """Missing numbers of a chain, noticed at `place`. The numbers in `found` came later."""

    first: int
    last: int
    place: Place
    found: set[int] = field(default_factory=set)

    def has(self, seq: int) -> bool:
        """Whether `seq` is missing."""
        return self.first <= seq <= self.last and seq not in self.found

    def missing(self) -> str:
        """As text: `number 3`, `numbers 3 to 5`; empty if all were found."""
        if len(self.found) > self.last - self.first:
            return ""
        if self.first == self.last:
            return f"number {self.first}"
        later = f", but for {len(self.found)} of them" if self.found else ""
        return f"numbers {self.first} to {self.last}{later}"


class _ChainLines:
    """The lines of one chain, in the order in which they are read. `findings` has all but the gaps."""

    def __init__(self, line: Line, place: Place, *, trusted: bool) -> None:
        """`line` is the first that is read. Not `trusted`: its content does not match its hash."""
        self.first = line.head.seq
        self.last = line.head
        self.first_record: dict[str, Any] = line.record
        self.last_record: dict[str, Any] = line.record
        self.last_place = place
        self.gaps = [_Gap(1, line.head.seq - 1, place)] if line.head.seq > 1 else []
        self.findings: list[Finding] = []
        self.trusted = trusted
        if line.head.seq == 1 and (line.previous or line.record["event"] != LogEvent.STARTED):
            self._note(place, FindingKind.CHANGED, f"number 1 is not {LogEvent.STARTED}")

    def take(self, line: Line, place: Place, *, trusted: bool) -> None:
        """The next line. A line that is not trusted counts only where its number is expected."""
        seq = line.head.seq
        expected = self.last.seq + 1
        if not trusted and seq != expected:
            return
        if seq < expected:
            self._earlier(seq, place)
            return
        if seq > expected:
            self.gaps.append(_Gap(expected, seq - 1, place))
        elif trusted and line.previous != self.last.hash:
            other = f"number {self.last.seq} ({self.last_place})"
            problem = f"number {seq} does not contain the hash of {other}: one of the two was changed"
            self._note(place, FindingKind.CHANGED, problem)
        self.last = line.head
        self.last_place = place
        self.last_record = line.record
        self.trusted = self.trusted or trusted

    def _earlier(self, seq: int, place: Place) -> None:
        for gap in self.gaps:
            if gap.has(seq):
                gap.found.add(seq)
                self.first = min(self.first, seq)
                problem = f"number {seq} comes after number {self.last.seq}: the line was moved"
                self._note(place, FindingKind.MOVED, problem)
                return
        problem = f"number {seq} is there before: the line was duplicated or inserted"
        self._note(place, FindingKind.DUPLICATED, problem)

    def missing(self, *, partial: bool) -> Iterator[Finding]:
        """A finding for each gap. `partial`: the chain may begin in an earlier file."""
        for gap in self.gaps:
            if (numbers := gap.missing()) and not (partial and gap.first == 1):
                earlier = ", or in an earlier file (--partial)" if gap.first == 1 else ""
                problem = (
                    f"{numbers} of process {self.last.process} missing before this line: removed{earlier}"
                )
                yield Finding(gap.place, FindingKind.REMOVED, problem)

    def verified(self) -> VerifiedChain:
        """The result for this chain."""
        first = self.first_record
        last = self.last_record
        ended = last["event"] == LogEvent.ENDED
        return VerifiedChain(self.first, self.last, str(first["time"]), str(last["time"]), ended, last["key"])

    def _note(self, place: Place, kind: FindingKind, problem: str) -> None:
        self.findings.append(Finding(place, kind, f"{problem} (process {self.last.process})"))


class _Anchors:
    """Lines that must be there, each with the place that names it."""

    def __init__(self, heads: Sequence[tuple[Head, Place]]) -> None:
        self._anchors = {(head.process, head.seq): (head, place) for head, place in heads}
        self._met: set[tuple[str, int]] = set()

    def note(self, text: bytes, place: Place) -> None:
        """Collects the heads that a line names, if it begins a chain."""
        if LogEvent.STARTED.encode() in text:
            for part in split(text):
                self._collect(Line.parse(part), place)

    def _collect(self, line: Line | None, place: Place) -> None:
        anchors = line.record.get("anchors") if line is not None else None
        if not isinstance(anchors, list):
            return
        for anchor in anchors:
            try:
                head = Head(str(anchor["process"]), int(anchor["seq"]), str(anchor["hash"]))
            except (KeyError, TypeError, ValueError):
                continue
            self._anchors.setdefault((head.process, head.seq), (head, place))

    def compare(self, head: Head, place: Place) -> Iterator[Finding]:
        """A finding if the line of `head`, at `place`, is another than the recorded one."""
        name = (head.process, head.seq)
        if name not in self._anchors:
            return
        self._met.add(name)
        recorded, recorded_by = self._anchors[name]
        if recorded.hash != head.hash:
            problem = f"another line than the one that {recorded_by} recorded as number {head.seq}: changed"
            yield Finding(place, FindingKind.CHANGED, problem)

    def missing(self, processes: Collection[str], *, partial: bool) -> Iterator[Finding]:
        """A finding for each line that is not there. `partial`: whole chains may be in earlier files."""
        for name, (head, place) in self._anchors.items():
            if name not in self._met and not (partial and head.process not in processes):
                problem = f"number {head.seq} of process {head.process}, recorded here, is missing or changed"
                yield Finding(place, FindingKind.CUT_OFF, problem)


class _FileOrder:
    """The order in which files were written.

    The numbers of the chains that they share decide; for files without a common chain, the times of their
    first lines.
    """

    def __init__(self, files: Sequence[Path]) -> None:
        self._files = list(dict.fromkeys(files))
        self._begins: dict[Path, bytes] = {}
        self._lowest: dict[bytes, dict[Path, int]] = {}

    def note(self, file: Path, text: bytes) -> None:
        """The next line of `file`."""
        self._begins.setdefault(file, text[:40])
        if (match := _NUMBER.search(text)) is not None:
            lowest = self._lowest.setdefault(match[1], {})
            seq = int(match[2])
            lowest[file] = min(seq, lowest.get(file, seq))

    def files(self) -> Sequence[Path]:
        """The files, the earliest first."""
        by_time = sorted(self._files, key=lambda file: self._begins.get(file, b""))
        order: TopologicalSorter[Path] = TopologicalSorter(dict.fromkeys(by_time, ()))
        for lowest in self._lowest.values():
            for earlier, later in pairwise(sorted(lowest, key=lowest.__getitem__)):
                order.add(later, earlier)
        try:
            return list(order.static_order())
        except CycleError:  # tampered with: verification says where
            return by_time


def read_lines(file: Path) -> Iterator[tuple[int, bytes]]:
    """The lines of `file` with their numbers, without line ends and without blank lines. Raises `OSError`."""
    number = 0
    whole = True
    with gzip.open(file, "rb") if file.suffix == ".gz" else file.open("rb") as content:
        while text := content.readline(MAX_LINE):
            number += whole
            whole = text.endswith(b"\n")
            text = text.removesuffix(b"\n")
            if text.strip(b" "):
                yield number, text
