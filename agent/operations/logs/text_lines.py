"""Log lines for people: time, level, logger, message, then `name=value`."""

import json
import logging
import re
import time
from typing import Final

from agent.operations.logs.line_content import fields_of, masked, visible

_PLAIN: Final = re.compile(r"[^\s\x00-\x1f\"=\\]+")
"""Values that are shown without quotes."""
_CONTROL: Final = re.compile("[\x00-\x1f]")


class TextLines(logging.Formatter):
    """One line for each record; the lines of a traceback follow it, each indented.

    No line contains a raw control character, and text of others can neither begin a line nor imitate one:
    a line that is not indented begins with the time. `ascii_only` is for streams that are not UTF-8.
    """

    def __init__(self, *, ascii_only: bool = False) -> None:
        super().__init__()
        self._ascii_only = ascii_only

    def format(self, record: logging.LogRecord) -> str:
        """Time (local), level, logger, message, the record's own fields, and those of its request."""
        clock = time.strftime("%H:%M:%S", time.localtime(record.created))
        parts = [f"{clock} {record.levelname:<8} {record.name}: {_escaped(record.getMessage())}"]
        parts += [f"{name}={self._value(value)}" for name, value in fields_of(record).items()]
        lines = ["  ".join(parts)]
        if record.exc_info:
            lines += [f"    {_escaped(line)}" for line in self.formatException(record.exc_info).splitlines()]
        text = "\n".join(masked(visible(line)) for line in lines)
        return text.encode("ascii", "backslashreplace").decode() if self._ascii_only else text

    def _value(self, value: object) -> str:
        text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=self._ascii_only)
        if not isinstance(value, str) or _PLAIN.fullmatch(text):
            return text
        return json.dumps(text, ensure_ascii=self._ascii_only)


def _escaped(text: str) -> str:
    return _CONTROL.sub(lambda found: json.dumps(found[0])[1:-1], text)
