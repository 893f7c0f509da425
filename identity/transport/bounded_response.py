"""Sends one HTTP request within a deadline and reads its response within a size limit.

An exception of `httpx` refers to its request, and the request contains the client secret or a token. So no
`httpx` exception is raised from here: a failure is returned as a `TransportFailure`.
"""

import asyncio
from collections.abc import Iterator, Mapping
from contextlib import aclosing, contextmanager
from dataclasses import dataclass, field

import httpx

from identity.observation.attribute import Attribute
from identity.observation.metrics import OTHER, error_type
from identity.observation.span import CURRENT_SPAN, Span, SpanKind
from identity.observation.traceparent import HEADER, Receiver
from identity.transport.body import EncodedResponseError, ResponseTooLargeError, limit_body
from identity.transport.connection_failure import connection_failure


@dataclass(frozen=True, slots=True)
class Response:
    """An HTTP response of any status, with its complete body."""

    status: int
    headers: Mapping[str, str] = field(repr=False)
    body: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class TransportFailure:
    """There is no response, or it cannot be read. `reason` contains no secret and may be logged and shown."""

    reason: str


async def send(
    http: httpx.AsyncClient,
    request: httpx.Request,
    *,
    max_bytes: int,
    deadline: float,
    receiver: Receiver = Receiver.IDAAS,
) -> Response | TransportFailure:
    """Sends `request` once. The response, body included, must be complete within `deadline` seconds.

    Redirects are not followed. A compressed body, or one of more than `max_bytes`, is a failure. The timeouts
    of the request, which bound each phase, apply too. `receiver` is whose server it is, for traces.
    """
    request.headers["Accept-Encoding"] = "identity"
    with client_span(request, receiver) as span:
        try:
            async with asyncio.timeout(deadline):
                response = await http.send(request, stream=True, follow_redirects=False)
                async with aclosing(response):
                    limit_body(response, max_bytes)
                    body = await response.aread()
        except TimeoutError:
            reason = "no complete response within the deadline"
        except httpx.ConnectTimeout:
            reason = "no connection within the connect timeout"
        except httpx.TimeoutException:
            reason = "no response within the read timeout"
        except httpx.ConnectError as error:
            reason = connection_failure(error)
        except (httpx.HTTPError, httpx.InvalidURL, httpx.StreamError) as error:
            reason = f"the connection broke ({type(error).__name__})"
        except (ResponseTooLargeError, EncodedResponseError) as error:
            reason = str(error)
        else:
            responded(span, response.status_code)
            return Response(response.status_code, dict(response.headers), body)
        span.fail(OTHER)
        return TransportFailure(reason)


@contextmanager
def client_span(request: httpx.Request, receiver: Receiver) -> Iterator[Span]:
    """A span within the current one. `request` carries its context, if `receiver` may know of it.

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
    try:
        yield span
    except BaseException as error:
        span.fail(error_type(error))
        raise
    finally:
        span.end()


def responded(span: Span, status: int) -> None:
    """The response to the request of `span` has begun: a status of 400 and more is its failure."""
    span.set(Attribute.HTTP_STATUS, status)
    if status >= 400:
        span.fail(str(status))
