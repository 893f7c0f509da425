"""The span of one HTTP request to another system."""

import httpx

from identity.observation.attribute import Attribute
from identity.observation.span import CURRENT_SPAN, Span, SpanKind
from identity.observation.traceparent import HEADER, Receiver


def client_span(request: httpx.Request, receiver: Receiver) -> Span:
    """A span within the current one; end it. `request` carries its context, if `receiver` may know of it.

    It has the method and the host of the request: a path may contain an argument of a tool, and a query a
    key.
    """
    span = CURRENT_SPAN.get().child(request.method, SpanKind.CLIENT)
    if span.recording:
        span.set(Attribute.HTTP_METHOD, request.method)
        span.set(Attribute.SERVER_ADDRESS, request.url.host)
        span.set(Attribute.SERVER_PORT, request.url.port or {"https": 443, "http": 80}[request.url.scheme])
    if (context := span.traceparent(receiver)) is not None:
        request.headers[HEADER] = context
    return span


def responded(span: Span, status: int) -> None:
    """The response to the request of `span` has begun: a status of 400 and more is its failure."""
    span.set(Attribute.HTTP_STATUS, status)
    if status >= 400:
        span.fail(str(status))
