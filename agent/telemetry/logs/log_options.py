"""The values of LOG_LEVEL and LOG_FORMAT."""

import logging
from enum import StrEnum


class LogLevel(StrEnum):
    """The lowest level of lines that are written."""

    DEBUG = "debug"
    INFO = "info"
    WARNING = "warning"
    ERROR = "error"

    @property
    def number(self) -> int:
        """The level of the standard library."""
        return logging.getLevelNamesMapping()[self.value.upper()]


class LogFormat(StrEnum):
    """The form of a line."""

    JSON = "json"
    TEXT = "text"
