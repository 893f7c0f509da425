"""The lines of an audit log: an event as a record, the chain of records, and a line as it is read.

Each line has a number, the hash of the line before it, and its own: it ends with the member `hash`, SHA-256
of all bytes before `,"hash":`, or HMAC-SHA-256 with a key. `docs/audit-log.md` describes the members.
"""

import hashlib
import hmac
import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Final, Self

from identity.audit.event import AuditedAction, AuditEvent, AuditOutcome, Ruled
from identity.printable import rfc3339
from identity.secrets.secret import Secret

_ENCODE: Final = json.JSONEncoder(separators=(",", ":")).encode
_BEGINS: Final = re.compile(rb'(?=\{"time":")')
"""Each line begins so, and contains it nowhere else: in a string the quotes would be escaped."""
_END: Final = re.compile(rb',"hash":"([0-9a-f]{64})"\}')
_DIGITS: Final = re.compile(r"[0-9a-f]+")


class AuditKey:
    """The keys for hashes of lines and for hashes of access tokens, by HMAC-SHA-256 from `secret`.

    Equal secrets give equal keys, in every process and after each restart. `id` names the key in the lines.
    It reveals nothing of a secret that cannot be guessed: one of `AUDIT_KEY_FILE` has 32 or more characters.
    """

    __slots__ = ("id", "lines", "tokens")

    def __init__(self, secret: Secret) -> None:
        self.lines: Final = _derived(secret, b"lines")
        self.tokens: Final = _derived(secret, b"access tokens")
        self.id: Final = _derived(secret, b"id").hex()[:16]

    def __repr__(self) -> str:
        return f"AuditKey({self.id})"


def _derived(secret: Secret, purpose: bytes) -> bytes:
    return hmac.digest(secret.reveal().encode(), b"idaas-agent audit: " + purpose, "sha256")


@dataclass(frozen=True, slots=True)
class Head:
    """The latest line of the chain of `process`: its number, from 1, and its hash. No line yet: 0, `None`."""

    process: str
    seq: int = 0
    hash: str | None = None


def link(record: Mapping[str, Any], previous: Head, key: AuditKey | None) -> tuple[dict[str, Any], str, Head]:
    """`record` with the members of the chain; its line, which follows that of `previous`; its head."""
    seq = previous.seq + 1
    members = {"process": previous.process, "seq": seq, "previous": previous.hash, "key": key and key.id}
    linked = {**record, **members}
    # ASCII only: foreign text can neither end the line early nor imitate another line.
    body = _ENCODE(linked).removesuffix("}")
    linked["hash"] = line_hash(body.encode(), key)
    line = f'{body},"hash":"{linked["hash"]}"}}\n'
    return linked, line, Head(previous.process, seq, linked["hash"])


def line_hash(body: bytes, key: AuditKey | None) -> str:
    """The hash of a line, of its bytes before `,"hash":`; 64 hexadecimal digits."""
    if key is None:
        return hashlib.sha256(body).hexdigest()
    return hmac.digest(key.lines, body, "sha256").hex()


class LogEvent(StrEnum):
    """The events that the log adds about itself. Their outcome is `succeeded`."""

    STARTED = "audit_started"
    """The first line of each chain."""

    RESUMED = "audit_resumed"
    """After a period in which it could not write."""

    ENDED = "audit_ended"
    """The last line of the chain of a process that ended in order."""


def audit_record(event: AuditEvent) -> dict[str, Any]:
    """The members of a line, in order. Every line has all of them; an unknown value is `null`."""
    principal = event.principal
    ruled = event.ruled or Ruled()
    rules = list(ruled.rules) if ruled.policy or ruled.rules else None
    read = None if event.read is None else list(event.read)
    milliseconds = None if event.duration is None else round(event.duration * 1000, 3)
    return {
        "time": rfc3339(event.time),
        "event": event.action.value,
        "outcome": event.outcome.value,
        "request_id": event.request_id,
        "principal": principal and {"iss": principal.issuer, "sub": principal.subject},
        "token_hash": event.token_hash,
        "client": event.client,
        "access_identity": event.access_identity and event.access_identity.value,
        "audience": event.audience,
        "scope": event.scope,
        "credential": event.credential,
        "service": event.service,
        "tool": event.tool,
        "effect": event.effect,
        "call_id": event.call_id,
        "approval": event.approval,
        "arguments_digest": event.arguments_digest,
        "policy": ruled.policy,
        "rules": rules,
        "observed": ruled.observed,
        "read": read,
        "model": event.model,
        "input_tokens": event.input_tokens,
        "output_tokens": event.output_tokens,
        "files": event.files and list(event.files),
        "reason": event.reason,
        "error": event.error and event.error.value,
        "duration_ms": milliseconds,
        "lost": None,
        "anchors": None,
    }


_EMPTY: Final = dict.fromkeys(
    audit_record(AuditEvent(time=0, action=AuditedAction.TOOL_CALL, outcome=AuditOutcome.STARTED))
)


def log_record(time: float, event: LogEvent, **members: object) -> dict[str, Any]:
    """A line of the log about itself. STARTED has `anchors`, the latest heads of other chains, which then
    cannot be removed unnoticed; RESUMED has `lost`, the number of records before it that were not written.
    """
    own = {"time": rfc3339(time), "event": event.value, "outcome": AuditOutcome.SUCCEEDED.value}
    return _EMPTY | own | members


def record_of(text: bytes) -> dict[str, Any] | None:
    """The members of a line; `None` if it is no record. Nothing of it is verified."""
    try:
        read = json.loads(text)
    except (ValueError, RecursionError):
        return None
    if not isinstance(read, dict) or not isinstance(read.get("principal"), dict | None):
        return None
    return read if isinstance(read.get("time"), str) and isinstance(read.get("event"), str) else None


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
        end = _END.search(text, max(0, len(text) - 77))
        if end is None or end.end() != len(text) or _BEGINS.match(text) is None:
            return None
        if (record := record_of(text)) is None:
            return None
        process, seq = str(record.get("process")), record.get("seq")
        previous, key = record.get("previous"), record.get("key")
        if not _is_digits(process) or type(seq) is not int or seq < 1:
            return None
        if not (previous is None or _is_digits(previous)) or not (key is None or _is_digits(key)):
            return None
        return cls(record, Head(process, seq, end[1].decode()), previous, key, text[: end.start()])


def split(text: bytes) -> list[bytes]:
    """`text` at each beginning of a line: the remains of an interrupted write have no line end."""
    return [part for part in _BEGINS.split(text) if part.strip()]


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
