"""Logs one line and records one span for each request, and handles unexpected errors.

A line has the method, the path without its query, the status, the time, and the code of an error. The status
is 499 if the client disconnected before the response. Bodies, headers and query strings are never logged.
"""

import logging
import secrets
import time
from typing import Final

from starlette.datastructures import Headers, MutableHeaders
from starlette.requests import ClientDisconnect
from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from agent.errors.error_response import REPORTED_CODES, internal_error_body
from agent.http.language import language_of
from agent.operations.metrics.request_measures import METHODS, NO_ROUTE, RequestMeasures
from agent.operations.traces.tracer import Tracer
from identity.observation.attribute import Attribute
from identity.observation.metrics import OTHER, error_type
from identity.observation.request_context import DEVICE, LANGUAGE, REQUEST_ID, USER
from identity.observation.span import CURRENT_SPAN, NO_SPAN, Span, SpanKind
from identity.observation.traceparent import HEADER, parse_traceparent
from identity.printable import printable

_LOG: Final = logging.getLogger("idaas_agent.request")
_TRACEPARENT: Final = HEADER.encode("ascii")
_DEVICE_CHARACTERS: Final = 200


def device_of(scope: Scope) -> str | None:
    """The `User-Agent` of a request, for `DEVICE`: at most 200 printable characters.

    Nobody is verified yet, and the header may be long: only its beginning is looked at.
    """
    beginning = Headers(scope=scope).get("user-agent", "")[:_DEVICE_CHARACTERS]
    return printable(beginning)[:_DEVICE_CHARACTERS] or None


def request_log(
    app: ASGIApp, *, measures: RequestMeasures | None = None, tracer: Tracer | None = None
) -> ASGIApp:
    """ASGI middleware. Gives each response an `X-Request-Id`, which is also in the logs.

    An unexpected error is 500. If the response has begun, it has no end: no client takes it for a whole one.

    `measures` counts the requests. `tracer` begins a span around everything that the agent does for one; its
    log lines name the trace. A span has the method, the route's template and the status, never the path, its
    query or a header.
    """
    counted = measures or RequestMeasures()

    async def logged(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await app(scope, receive, send)
            return
        request_id = secrets.token_hex(8)
        started = time.perf_counter()
        status = 0
        codes = list[str]()
        failure = ""
        span = NO_SPAN if tracer is None else _begun(tracer, scope)
        span.set_for_trace(Attribute.REQUEST_ID, request_id)
        outer_id = REQUEST_ID.set(request_id)
        outer_user = USER.set(None)
        outer_device = DEVICE.set(device_of(scope))
        outer_language = LANGUAGE.set(language_of(scope))
        outer_codes = REPORTED_CODES.set(codes)
        outer_span = CURRENT_SPAN.set(span)
        counted.open += 1

        async def send_with_id(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                MutableHeaders(scope=message)["X-Request-Id"] = request_id
            await send(message)

        try:
            await app(scope, receive, send_with_id)
        except ClientDisconnect:
            status = status or 499
        except Exception as error:  # noqa: BLE001 - the text may contain a secret, so only the type is logged
            failure = type(error).__name__
            body = internal_error_body()
            if status == 0:  # else it has begun: without an end, the server closes the connection
                await JSONResponse(body, 500)(scope, receive, send_with_id)
        except BaseException as error:
            span.fail(error_type(error))
            raise
        finally:
            seconds = time.perf_counter() - started
            counted.open -= 1
            code = codes[0] if codes else None
            counted.ended(scope["method"], _route(scope) or NO_ROUTE, status, code, seconds)
            line = {
                "method": scope["method"],
                "path": scope["path"],
                "status": status,
                "request_id": request_id,
                "duration_ms": round(seconds * 1000),
            }
            if code is not None:
                line["code"] = code
            if failure:
                line["failure"] = failure
            level = logging.ERROR if failure else logging.INFO
            _LOG.log(level, "request", extra={"fields": line})
            REQUEST_ID.reset(outer_id)
            USER.reset(outer_user)
            DEVICE.reset(outer_device)
            LANGUAGE.reset(outer_language)
            REPORTED_CODES.reset(outer_codes)
            CURRENT_SPAN.reset(outer_span)
            _end(span, scope, status)

    return logged


def _route(scope: Scope) -> str | None:
    """The template of the request's path, which the router left in the scope; never the path itself."""
    template = getattr(scope.get("route"), "path", None)
    return template if isinstance(template, str) else None


def _begun(tracer: Tracer, scope: Scope) -> Span:
    """The span of a request, within the caller's trace if exactly one `traceparent` names it."""
    headers = [value for name, value in scope["headers"] if name == _TRACEPARENT]
    outer = parse_traceparent(headers[0].decode("latin-1")) if len(headers) == 1 else None
    span = tracer.begin(_method(scope), SpanKind.SERVER, outer)
    span.set(Attribute.HTTP_METHOD, _method(scope))
    return span


def _end(span: Span, scope: Scope, status: int) -> None:
    if (template := _route(scope)) is not None:
        span.rename(f"{_method(scope)} {template}")
        span.set(Attribute.HTTP_ROUTE, template)
    span.set(Attribute.HTTP_STATUS, status or None)
    span.end()


def _method(scope: Scope) -> str:
    return scope["method"] if scope["method"] in METHODS else OTHER
