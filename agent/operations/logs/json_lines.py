"""Log lines for programs: one JSON object each."""

import json
import logging
import time
from typing import Any

from agent.operations.logs.line_content import fields_of, masked, visible


class JsonLines(logging.Formatter):
    """One JSON object a line, without raw control characters or lone surrogates.

    Text that has the form of a credential is masked, as a second defence. `ascii_only` is for streams that
    are not UTF-8.
    """

    def __init__(self, *, ascii_only: bool = False) -> None:
        super().__init__()
        self._ascii_only = ascii_only

    def format(self, record: logging.LogRecord) -> str:
        """Time (ISO 8601, UTC), level, logger, message, the record's own fields, and those of its request.

        A record with the member `json`, its fields as JSON in ASCII, has level, logger, message and these.
        """
        if (members := getattr(record, "json", None)) is not None:
            about = {"level": record.levelname.lower(), "logger": record.name, "message": record.getMessage()}
            return masked(visible(f"{json.dumps(about)[:-1]}, {members[1:]}"))
        entry: dict[str, Any] = {
            "time": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(record.created)),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": record.getMessage(),
            **fields_of(record),
        }
        if record.exc_info:
            entry["exception"] = self.formatException(record.exc_info)
        return masked(visible(json.dumps(entry, ensure_ascii=self._ascii_only)))
