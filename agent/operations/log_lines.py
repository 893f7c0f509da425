"""The formats of log lines: JSON for programs, text for people.

Neither contains a raw control character, or text that has the form of a credential.
"""

import json
import logging
import re
import time
from typing import Any, Final

from identity.observation.request_context import REQUEST_ID, USER
from identity.observation.span import CURRENT_SPAN
from identity.printable import printable

_SECRET: Final = re.compile(r"(?i)\bbearer\s+[\w.~+/=-]+|\beyJ[\w-]{8,}(?:\.[\w-]*)*|\bsk-[\w-]{8,}")
_PLAIN: Final = re.compile(r"[^\s\x00-\x1f\"=\\]+")
"""Values that are shown without quotes."""
_CONTROL: Final = re.compile("[\x00-\x1f]")


class _Lines(logging.Formatter):
    """`ascii_only` is for streams that are not UTF-8."""

    def __init__(self, *, ascii_only: bool = False) -> None:
        super().__init__()
        self._ascii_only = ascii_only


class JsonLines(_Lines):
    """One JSON object a line, without raw control characters or lone surrogates.

    Text that has the form of a credential is masked, as a second defence.
    """

    def format(self, record: logging.LogRecord) -> str:
        """Time (ISO 8601, UTC), level, logger, message, the record's own fields, and its request's.

        A record with the member `json`, its fields as JSON in ASCII, has level, logger, message and these.
        """
        if (members := getattr(record, "json", None)) is not None:
            about = {"level": record.levelname.lower(), "logger": record.name, "message": record.getMessage()}
            return _masked(_visible(f"{json.dumps(about)[:-1]}, {members[1:]}"))
        entry: dict[str, Any] = {
            "time": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(record.created)),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": record.getMessage(),
            **_fields_of(record),
        }
        if record.exc_info:
            entry["exception"] = self.formatException(record.exc_info)
        return _masked(_visible(json.dumps(entry, ensure_ascii=self._ascii_only)))


class TextLines(_Lines):
    """One line for each record; the lines of a traceback follow it, each indented.

    No line contains a raw control character, and text of others can neither begin a line nor imitate one:
    a line that is not indented begins with the time.
    """

    def format(self, record: logging.LogRecord) -> str:
        """Time (local), level, logger, message, the record's own fields, and its request's."""
        clock = time.strftime("%H:%M:%S", time.localtime(record.created))
        parts = [f"{clock} {record.levelname:<8} {record.name}: {_escaped(record.getMessage())}"]
        parts += [f"{name}={self._value(value)}" for name, value in _fields_of(record).items()]
        lines = ["  ".join(parts)]
        if record.exc_info:
            lines += [f"    {_escaped(line)}" for line in self.formatException(record.exc_info).splitlines()]
        text = "\n".join(_masked(_visible(line)) for line in lines)
        return text.encode("ascii", "backslashreplace").decode() if self._ascii_only else text

    def _value(self, value: object) -> str:
        text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=self._ascii_only)
        if not isinstance(value, str) or _PLAIN.fullmatch(text):
            return text
        return json.dumps(text, ensure_ascii=self._ascii_only)


def _escaped(text: str) -> str:
    return _CONTROL.sub(lambda control: json.dumps(control[0])[1:-1], text)


def _fields_of(record: logging.LogRecord) -> dict[str, Any]:
    """The record's own fields, then the request's, in whose context the line is formatted."""
    fields: dict[str, Any] = dict(getattr(record, "fields", ()))
    context = (
        ("request_id", REQUEST_ID.get()),
        ("user", USER.get()),
        ("trace_id", CURRENT_SPAN.get().trace_id),
    )
    for name, value in context:
        if value is not None:
            fields.setdefault(name, value)
    return fields


def _visible(line: str) -> str:
    """`line` as `printable` shows it. C0 characters were escaped by the encoder of the format."""
    if line.isascii() and "\x7f" not in line:
        return line
    return printable(line)


def _masked(line: str) -> str:
    """`line` with text that has the form of a credential masked: a second defence."""
    # Few lines contain any of these, and this search is ten times as fast as the pattern.
    lower = line.lower()
    suspicious = "eyj" in lower or "sk-" in lower or "bearer" in lower
    return _SECRET.sub("[masked]", line) if suspicious else line
