"""The lines of one chain as they are read: whether each follows the one before it."""

from dataclasses import dataclass, field
from typing import Any

from agent.operations.audit.finding import Finding, FindingKind, Place
from agent.operations.audit.line import Line
from agent.operations.audit.record import LogEvent


@dataclass(slots=True)
class Gap:
    """Missing numbers of a chain, noticed at `place`. Those in `found` came later."""

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


class ChainLines:
    """Takes the lines of one chain in the order in which they are read. `findings` are those without gaps."""

    def __init__(self, line: Line, place: Place, *, trusted: bool) -> None:
        """`line` is the first that is read. Not `trusted`: its content does not match its hash."""
        self.first, self.last = line.head.seq, line.head
        self.first_record: dict[str, Any] = line.record
        self.last_record: dict[str, Any] = line.record
        self.last_place = place
        self.gaps = [Gap(1, line.head.seq - 1, place)] if line.head.seq > 1 else []
        self.findings: list[Finding] = []
        self.trusted = trusted
        if line.head.seq == 1 and (line.previous or line.record["event"] != LogEvent.STARTED):
            self._note(place, FindingKind.CHANGED, f"number 1 is not {LogEvent.STARTED}")

    def take(self, line: Line, place: Place, *, trusted: bool) -> None:
        """The next line. One that is not trusted counts only where its number is expected."""
        seq, expected = line.head.seq, self.last.seq + 1
        if not trusted and seq != expected:
            return
        if seq < expected:
            self._earlier(seq, place)
            return
        if seq > expected:
            self.gaps.append(Gap(expected, seq - 1, place))
        elif trusted and line.previous != self.last.hash:
            other = f"number {self.last.seq} ({self.last_place})"
            problem = f"number {seq} does not contain the hash of {other}: one of the two was changed"
            self._note(place, FindingKind.CHANGED, problem)
        self.last, self.last_place, self.last_record = line.head, place, line.record
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

    def missing(self, *, partial: bool) -> list[Finding]:
        """A finding for each gap. `partial`: the chain may begin in an earlier file."""
        gaps = [gap for gap in self.gaps if not (partial and gap.first == 1)]
        findings = []
        for gap in gaps:
            if numbers := gap.missing():
                problem = f"{numbers} of process {self.last.process} missing before this line: removed"
                if gap.first == 1:
                    problem += ", or in an earlier file (--partial)"
                findings.append(Finding(gap.place, FindingKind.REMOVED, problem))
        return findings

    @property
    def ended(self) -> bool:
        """Whether its process ended in order."""
        return bool(self.last_record["event"] == LogEvent.ENDED)

    def _note(self, place: Place, kind: FindingKind, problem: str) -> None:
        self.findings.append(Finding(place, kind, f"{problem} (process {self.last.process})"))
