"""An audit line as a syslog message (RFC 5424)."""

import re
from typing import Final

_FACILITY: Final = 13
"""Log audit (RFC 5424, table 1)."""
_SEVERITY: Final = {"refused": 5, "failed": 4, "cancelled": 5}
"""Notice and warning; other outcomes are informational, 6."""
_BEGINNING: Final = re.compile(r'\{"time":"([^"]+)","event":"(\w+)","outcome":"(\w+)"')
_APP_NAME: Final = "idaas-agent"


def syslog_message(line: str, hostname: str, process: int) -> bytes:
    """The message of an audit line, which is its text, in ASCII and unchanged.

    Time, MSGID (the event) and severity (by the outcome) are those of the line. `hostname` loses what
    RFC 5424 does not allow; `process` is the process's number in the operating system.
    """
    text = line.rstrip("\n")
    begins = _BEGINNING.match(text)
    time, event, outcome = begins.groups() if begins else ("-", "-", "")
    priority = _FACILITY * 8 + _SEVERITY.get(outcome, 6)
    host = "".join(character for character in hostname if "!" <= character <= "~")[:255] or "-"
    return f"<{priority}>1 {time} {host} {_APP_NAME} {process} {event[:32]} - {text}".encode("ascii")
