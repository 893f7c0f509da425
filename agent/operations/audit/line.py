"""A line of an audit log as it is read: its bytes, its record, and its place in its chain."""

import json
import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Final, Self

from agent.operations.audit.chain import Head, line_hash
from agent.operations.audit.key import AuditKey

_BEGINS: Final = b'{"time":"'
"""Each line begins so, and contains it nowhere else: in a string the quotes would be escaped."""
_END: Final = re.compile(rb',"hash":"([0-9a-f]{64})"\}')
_DIGITS: Final = re.compile(r"[0-9a-f]+")


@dataclass(frozen=True, slots=True)
class Line:
    """The members of a well-formed line. What they claim is not verified."""

    record: dict[str, Any]
    head: Head
    previous: str | None
    key: str | None
    body: bytes

    @classmethod
    def parse(cls, text: bytes) -> Self | None:
        """The line `text`, without its line end; `None` if it is no line of an audit log."""
        end = _END.search(text, max(0, len(text) - 76))
        if end is None or end.end() != len(text) or not text.startswith(_BEGINS):
            return None
        try:
            record = json.loads(text)
        except (ValueError, RecursionError):
            return None
        process, seq = record.get("process"), record.get("seq")
        previous, key = record.get("previous"), record.get("key")
        if not _is_digits(process) or type(seq) is not int or seq < 1 or record.get("event") is None:
            return None
        if not (previous is None or _is_digits(previous)) or not (key is None or _is_digits(key)):
            return None
        return cls(record, Head(process, seq, end[1].decode()), previous, key, text[: end.start()])

    def has_hash_by(self, key: AuditKey | None) -> bool:
        """Whether its hash is that of its content, by `key`, or without one."""
        return line_hash(self.body, key) == self.head.hash


def split(text: bytes) -> list[bytes]:
    """`text` at each beginning of a line: the remains of an interrupted write have no line end."""
    first, *others = text.split(_BEGINS)
    return [part for part in (first, *(_BEGINS + other for other in others)) if part.strip()]


def latest_heads(texts: Iterable[bytes]) -> list[Head]:
    """The last head of each chain in the lines `texts`."""
    heads: dict[str, Head] = {}
    for text in texts:
        for part in split(text):
            if (line := Line.parse(part)) is not None:
                heads[line.head.process] = line.head
    return list(heads.values())


def _is_digits(value: object) -> bool:
    return isinstance(value, str) and len(value) <= 64 and _DIGITS.fullmatch(value) is not None
