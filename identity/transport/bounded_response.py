"""One HTTP request and its answer, bounded, with no request left in an exception.

An `httpx` exception carries its request, and the request carries the client secret or a token. So nothing
of `httpx` is raised from here: what went wrong comes back as a value that says so in a few words.
"""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass, field

import httpx

from identity.transport.body import EncodedResponseError, ResponseTooLargeError, limit_body


@dataclass(frozen=True, slots=True)
class Response:
    """An HTTP answer of any status, read to its end."""

    status: int
    headers: Mapping[str, str] = field(repr=False)
    body: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class TransportFailure:
    """There was no answer, or none that could be read. `reason` may be logged and shown."""

    reason: str


async def send(
    http: httpx.AsyncClient, request: httpx.Request, *, max_bytes: int, deadline: float
) -> Response | TransportFailure:
    """Sends `request` once, and is done within `deadline` seconds, body included.

    Follows no redirect; reads at most `max_bytes` of the body, and nothing that is compressed. The request's
    own timeouts, which bound each phase, are in force too.
    """
    request.headers["Accept-Encoding"] = "identity"
    try:
        async with asyncio.timeout(deadline):
            return await _read(http, request, max_bytes)
    except TimeoutError:
        return TransportFailure("no complete answer within the deadline")
    except httpx.ConnectTimeout:
        return TransportFailure("no connection within the connect timeout")
    except httpx.TimeoutException:
        return TransportFailure("no answer within the read timeout")
    except httpx.ConnectError:
        return TransportFailure("no connection: refused, unknown host, or its certificate is not trusted")
    except (httpx.HTTPError, httpx.InvalidURL, httpx.StreamError) as error:
        return TransportFailure(f"the connection broke ({type(error).__name__})")


async def _read(
    http: httpx.AsyncClient, request: httpx.Request, max_bytes: int
) -> Response | TransportFailure:
    response = await http.send(request, stream=True, follow_redirects=False)
    try:
        limit_body(response, max_bytes)
        return Response(response.status_code, dict(response.headers), await response.aread())
    except (ResponseTooLargeError, EncodedResponseError) as error:
        return TransportFailure(str(error))
    finally:
        await response.aclose()
