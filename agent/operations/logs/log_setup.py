"""Configures logging for a whole process.

The level applies to the agent's own loggers. Those of libraries are limited to `info`, and those of HTTP and
MCP libraries to warnings, because below that they print headers and content.
"""

import logging
from typing import Final

from agent.operations.logs.json_lines import JsonLines
from agent.operations.logs.log_handler import LogHandler, log_instead_of_printing
from agent.operations.logs.text_lines import TextLines
from agent.settings.variables.telemetry import LogFormat, LogLevel

_OWN_LOGGERS: Final = ("idaas_agent", "agent", "graph", "identity", "tools")
_VERBOSE_LOGGERS: Final = (
    "httpx",
    "httpx2",
    "httpcore",
    "httpcore2",
    "h11",
    "h2",
    "hpack",
    "openai",
    "mcp",
    "asyncio",
    "urllib3",
)


def set_up_logging(level: LogLevel = LogLevel.INFO, form: LogFormat | None = None) -> None:
    """Lines go to standard error. Without `form` they are text if that is a terminal, else JSON."""
    handler = LogHandler()
    if form is None:
        form = LogFormat.TEXT if handler.stream.isatty() else LogFormat.JSON
    encoding = (getattr(handler.stream, "encoding", None) or "ascii").lower()
    ascii_only = encoding not in ("utf-8", "utf8")
    lines = TextLines if form is LogFormat.TEXT else JsonLines
    handler.setFormatter(lines(ascii_only=ascii_only))
    logging.basicConfig(level=max(level.number, logging.INFO), handlers=[handler], force=True)
    for name in _OWN_LOGGERS:
        logging.getLogger(name).setLevel(level.number)
    # Its exporters log the texts of collectors; the agent reports their failures itself.
    logging.getLogger("opentelemetry").setLevel(logging.CRITICAL)
    for name in _VERBOSE_LOGGERS:
        logging.getLogger(name).setLevel(max(level.number, logging.WARNING))
    logging.getLogger("uvicorn.access").disabled = True
    log_instead_of_printing()
