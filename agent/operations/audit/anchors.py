"""What is known of lines from elsewhere: from the beginnings of other chains, and from the operator."""

from collections.abc import Collection, Iterator, Sequence

from agent.operations.audit.chain import Head
from agent.operations.audit.finding import Finding, FindingKind, Place
from agent.operations.audit.line import Line, split
from agent.operations.audit.record import LogEvent


class Anchors:
    """Lines that must be there: by number and hash, or as heads, each with the place that names it."""

    def __init__(
        self, expected: Sequence[tuple[int, str]] = (), heads: Sequence[tuple[Head, Place]] = ()
    ) -> None:
        self._expected = dict.fromkeys(expected, False)
        self._anchors = {(head.process, head.seq): (head, place) for head, place in heads}
        self._met: set[tuple[str, int]] = set()

    def note(self, text: bytes, place: Place) -> None:
        """Those in a line, if it begins a chain."""
        if LogEvent.STARTED.encode() in text:
            for part in split(text):
                self._collect(Line.parse(part), place)

    def _collect(self, line: Line | None, place: Place) -> None:
        anchors = line.record.get("anchors") if line is not None else None
        for anchor in anchors if isinstance(anchors, list) else ():
            try:
                head = Head(str(anchor["process"]), int(anchor["seq"]), str(anchor["hash"]))
            except (KeyError, TypeError, ValueError):
                continue
            self._anchors.setdefault((head.process, head.seq), (head, place))

    def compare(self, head: Head, place: Place) -> Iterator[Finding]:
        """A finding if the line of `head`, at `place`, is another than the recorded one."""
        if self._expected and head.hash is not None and (head.seq, head.hash) in self._expected:
            self._expected[head.seq, head.hash] = True
        name = (head.process, head.seq)
        if (known := self._anchors.get(name)) is None:
            return
        self._met.add(name)
        if known[0].hash != head.hash:
            problem = f"another line than the one that {known[1]} recorded as number {head.seq}: changed"
            yield Finding(place, FindingKind.CHANGED, problem)

    def missing(self, processes: Collection[str], *, partial: bool) -> Iterator[Finding]:
        """A finding for each line that is not there. `partial`: whole chains may be in earlier files."""
        for name, (head, place) in self._anchors.items():
            if name not in self._met and not (partial and head.process not in processes):
                problem = f"number {head.seq} of process {head.process}, recorded here, is missing or changed"
                yield Finding(place, FindingKind.CUT_OFF, problem)
        for (seq, hash_), met in self._expected.items():
            if not met:
                problem = f"expected line {seq}:{hash_} is missing: removed, changed, or cut off"
                yield Finding(Place("--expect", 0), FindingKind.CUT_OFF, problem)
