"""Logs one line for each request, and handles unexpected errors.

A line has the method, the path without its query, the status and the time. The status is 499 if the client
disconnected before the response. Bodies, headers and query strings are never logged. The loggers of HTTP and
MCP libraries are limited to warnings, because below that they print headers.
"""

import json
import logging
import re
import secrets
import time
from typing import Any, Final

from starlette.datastructures import MutableHeaders
from starlette.requests import ClientDisconnect
from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from agent.error_response import internal_error_body
from agent.log_handler import LogHandler, log_instead_of_printing
from identity.request_id import REQUEST_ID

_LOG: Final = logging.getLogger("idaas_agent.request")
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
_UNSEEN: Final = re.compile(
    "[\x7f-\x9f\u061c\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff\ud800-\udfff\U000e0000-\U000e007f]"
)
"""Control and format characters that JSON does not escape, and that a terminal interprets or hides."""
_SECRET: Final = re.compile(r"(?i)\bbearer\s+[\w.~+/=-]+|\beyJ[\w-]{8,}(?:\.[\w-]*)*|\bsk-[\w-]{8,}")


class RequestLog:
    """A pure ASGI middleware. Gives each response an `X-Request-Id`, which is also in the logs."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Passes everything on, and logs the line after the response."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        request_id, started, status = secrets.token_hex(8), time.monotonic(), 0
        outer = REQUEST_ID.set(request_id)

        async def send_with_id(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                MutableHeaders(scope=message)["X-Request-Id"] = request_id
            await send(message)

        failure = ""
        try:
            await self._app(scope, receive, send_with_id)
        except ClientDisconnect:
            status = status or 499
        except Exception as error:  # noqa: BLE001 - the text may contain a secret, so only the type is logged
            failure = type(error).__name__
            if status == 0:
                await JSONResponse(internal_error_body(), 500)(scope, receive, send_with_id)
            else:  # the response has begun: end it
                await send({"type": "http.response.body", "body": b"", "more_body": False})
        finally:
            REQUEST_ID.reset(outer)
            line = {
                "method": scope["method"],
                "path": scope["path"],
                "status": status,
                "request_id": request_id,
            }
            line["duration_ms"] = round((time.monotonic() - started) * 1000)
            if failure:
                line["failure"] = failure
            _LOG.log(logging.ERROR if failure else logging.INFO, "request", extra={"fields": line})


class JsonLines(logging.Formatter):
    """One JSON object a line, without raw control characters or lone surrogates.

    Text that has the form of a credential is masked, as a second defence. `ascii_only` is for streams that
    are not UTF-8.
    """

    def __init__(self, *, ascii_only: bool = False) -> None:
        super().__init__()
        self._ascii_only = ascii_only

    def format(self, record: logging.LogRecord) -> str:
        """Time (ISO 8601, UTC), level, logger, message, and the record's own fields."""
        entry: dict[str, Any] = {
            "time": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(record.created)),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": record.getMessage(),
            **getattr(record, "fields", {}),
        }
        if record.exc_info:
            entry["exception"] = self.formatException(record.exc_info)
        line = json.dumps(entry, ensure_ascii=self._ascii_only)
        if not line.isascii() or "\x7f" in line:
            line = _UNSEEN.sub(lambda found: json.dumps(found[0])[1:-1], line)
        # Few lines contain any of these, and this search is ten times as fast as the pattern.
        lower = line.lower()
        suspicious = "eyj" in lower or "sk-" in lower or "bearer" in lower
        return _SECRET.sub("[masked]", line) if suspicious else line


def set_up_logging(level: int = logging.INFO) -> None:
    """Configures logging for a whole process: JSON lines on standard error."""
    handler = LogHandler()
    encoding = (getattr(handler.stream, "encoding", None) or "ascii").lower()
    handler.setFormatter(JsonLines(ascii_only=encoding not in ("utf-8", "utf8")))
    logging.basicConfig(level=level, handlers=[handler], force=True)
    for name in _VERBOSE_LOGGERS:
        logging.getLogger(name).setLevel(max(level, logging.WARNING))
    logging.getLogger("uvicorn.access").disabled = True
    log_instead_of_printing()
