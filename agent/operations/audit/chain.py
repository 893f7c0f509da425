"""The chain of an audit log: each line has a number, the hash of the line before it, and its own.

A line ends with the member `hash`: SHA-256 of all bytes before `,"hash":`, or HMAC-SHA-256 with a key.
"""

import hashlib
import hmac
import json
import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from agent.operations.audit.key import AuditKey

_ENCODE: Final = json.JSONEncoder(separators=(",", ":")).encode
_HASH: Final = ',"hash":"'


@dataclass(frozen=True, slots=True)
class Head:
    """The latest line of the chain of `process`: its number, from 1, and its hash. No line yet: 0, `None`."""

    process: str
    seq: int = 0
    hash: str | None = None


class Chain:
    """Makes the lines of one chain, from the records in their order. Not thread-safe.

    `head` is assigned by the caller, when the line of that head is written: a line that could not be written
    leaves no gap.
    """

    def __init__(self, key: AuditKey | None = None) -> None:
        """A new chain, with a random process id."""
        self.head = Head(secrets.token_hex(8))
        self._key = key

    def link(self, record: Mapping[str, Any], previous: Head) -> tuple[dict[str, Any], str, Head]:
        """`record` with the members of the chain; its line, which follows that of `previous`; its head."""
        seq = previous.seq + 1
        linked = {
            **record,
            "process": previous.process,
            "seq": seq,
            "previous": previous.hash,
            "key": self._key and self._key.id,
        }
        # ASCII only: foreign text can neither end the line early nor imitate another line.
        body = _ENCODE(linked)[:-1]
        linked["hash"] = line_hash(body.encode(), self._key)
        return linked, f'{body}{_HASH}{linked["hash"]}"}}\n', Head(previous.process, seq, linked["hash"])


def line_hash(body: bytes, key: AuditKey | None) -> str:
    """The hash of a line, of its bytes before `,"hash":`; 64 hexadecimal digits."""
    if key is None:
        return hashlib.sha256(body).hexdigest()
    return hmac.digest(key.lines, body, "sha256").hex()
