"""Traces requests: one span for each, around everything that the agent does for it.

Absent while traces are off.
"""

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from agent.operations.metrics.request_measures import METHODS
from agent.operations.traces.tracer import Tracer
from identity.observation.attribute import Attribute
from identity.observation.metrics import OTHER, error_type
from identity.observation.span import CURRENT_SPAN, SpanKind
from identity.observation.traceparent import HEADER, TraceContext, parse_traceparent

_HEADER = HEADER.encode("ascii")


class RequestSpan:
    """A pure ASGI middleware, around the request log, whose lines name the trace.

    A span has the method, the route's template and the status, never the path, its query or a header.
    """

    def __init__(self, app: ASGIApp, *, tracer: Tracer) -> None:
        self._app = app
        self._tracer = tracer

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Passes everything on."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        method = scope["method"] if scope["method"] in METHODS else OTHER
        span = self._tracer.begin(method, SpanKind.SERVER, _inbound(scope))
        span.set(Attribute.HTTP_METHOD, method)

        async def send_and_note(message: Message) -> None:
            if message["type"] == "http.response.start":
                span.set(Attribute.HTTP_STATUS, message["status"])
            await send(message)

        outer = CURRENT_SPAN.set(span)
        try:
            await self._app(scope, receive, send_and_note if span.recording else send)
        except BaseException as error:
            span.fail(error_type(error))
            raise
        finally:
            CURRENT_SPAN.reset(outer)
            template = getattr(scope.get("route"), "path", None)
            if isinstance(template, str):
                span.rename(f"{method} {template}")
                span.set(Attribute.HTTP_ROUTE, template)
            span.end()


def _inbound(scope: Scope) -> TraceContext | None:
    """The caller's context; `None` if there is none, or more than one."""
    found = [value for name, value in scope["headers"] if name == _HEADER]
    return parse_traceparent(found[0].decode("latin-1")) if len(found) == 1 else None
