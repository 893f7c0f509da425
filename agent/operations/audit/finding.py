"""What is wrong with a line of an audit log, and with what is known of it from elsewhere."""

from dataclasses import dataclass
from enum import StrEnum


class FindingKind(StrEnum):
    """What happened to a line."""

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
