"""Logs one line for each request, and handles unexpected errors.

A line has the method, the path without its query, the status and the time. The status is 499 if the client
disconnected before the response. Bodies, headers and query strings are never logged.
"""

import logging
import secrets
import time
from typing import Final

from starlette.datastructures import MutableHeaders
from starlette.requests import ClientDisconnect
from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from agent.error_response import internal_error_body
from identity.request_id import REQUEST_ID
from identity.tracing.user import USER

_LOG: Final = logging.getLogger("idaas_agent.request")


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
        outer_id, outer_user = REQUEST_ID.set(request_id), USER.set(None)

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
            REQUEST_ID.reset(outer_id)
            USER.reset(outer_user)
