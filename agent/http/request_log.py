"""Logs one line for each request, and handles unexpected errors.

A line has the method, the path without its query, the status, the time, and the code of an error. The status
is 499 if the client disconnected before the response. Bodies, headers and query strings are never logged.
"""

import logging
import secrets
import time
from typing import Final

from starlette.datastructures import MutableHeaders
from starlette.requests import ClientDisconnect
from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from agent.errors.error_response import internal_error_body
from agent.errors.request_outcome import REQUEST_OUTCOME, RequestOutcome
from agent.operations.metrics.request_measures import NO_ROUTE, RequestMeasures
from identity.observation.attribute import Attribute
from identity.observation.request_context import REQUEST_ID, USER
from identity.observation.span import CURRENT_SPAN

_LOG: Final = logging.getLogger("idaas_agent.request")


class RequestLog:
    """A pure ASGI middleware. Gives each response an `X-Request-Id`, which is also in the logs.

    `measures` counts the requests.
    """

    def __init__(self, app: ASGIApp, *, measures: RequestMeasures | None = None) -> None:
        self._app = app
        self._measures = measures or RequestMeasures()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Passes everything on, and logs the line after the response."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        request_id, started, status = secrets.token_hex(8), time.perf_counter(), 0
        outcome = RequestOutcome()
        outer_id, outer_user = REQUEST_ID.set(request_id), USER.set(None)
        outer_outcome = REQUEST_OUTCOME.set(outcome)
        CURRENT_SPAN.get().set_for_trace(Attribute.REQUEST_ID, request_id)
        self._measures.open += 1

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
            body = internal_error_body()
            if status == 0:
                await JSONResponse(body, 500)(scope, receive, send_with_id)
            else:  # the response has begun: end it
                await send({"type": "http.response.body", "body": b"", "more_body": False})
        finally:
            seconds = time.perf_counter() - started
            self._measures.open -= 1
            self._measures.ended(scope["method"], _route(scope), status, outcome.code, seconds)
            line = {
                "method": scope["method"],
                "path": scope["path"],
                "status": status,
                "request_id": request_id,
                "duration_ms": round(seconds * 1000),
            }
            if outcome.code is not None:
                line["code"] = outcome.code
            if failure:
                line["failure"] = failure
            _LOG.log(logging.ERROR if failure else logging.INFO, "request", extra={"fields": line})
            REQUEST_ID.reset(outer_id)
            USER.reset(outer_user)
            REQUEST_OUTCOME.reset(outer_outcome)


def _route(scope: Scope) -> str:
    """The template of the request's path, which the router left in the scope; never the path itself."""
    template = getattr(scope.get("route"), "path", None)
    return template if isinstance(template, str) else NO_ROUTE
