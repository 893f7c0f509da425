"""The HTTP client of the model, and the events of its streamed responses, all bounded.

The client has no key: the key is an argument of each call.
"""

import ssl
from collections.abc import AsyncIterator
from math import ceil
from typing import Any, Final, cast

import httpx2
from openai import AsyncStream
from openai._streaming import ServerSentEvent

from http1.transport import PoolUse
from identity.transport.body import ResponseTooLargeError, limit_body, media_type, truncate_body
from identity.transport.client import pooled_client
from identity.transport.json_size import read_json
from identity.transport.retry import retry_after
from identity.transport.server_sent_events import events

MAX_BYTES: Final = 2 * 1024 * 1024
"""The most bytes of a response that is not streamed."""
MAX_STREAMED_BYTES: Final = 16 * 1024 * 1024
"""The most bytes of a streamed response: 50,000 events of the usual 300 bytes."""
MAX_ERROR_BYTES: Final = 64 * 1024
"""The most bytes of an error's body."""
MAX_EVENTS: Final = 50_000
MAX_EVENT_BYTES: Final = 1024 * 1024
_MAX_WAIT: Final = 5.0
_MAX_RETRY_AFTER: Final = 86_400
_MOST_CONNECTIONS: Final = 10_000


def model_client(
    ssl_context: ssl.SSLContext | None, timeout: float, *, use: PoolUse | None = None
) -> httpx2.AsyncClient:
    """See `pooled_client`; `timeout` is in seconds. Its owner closes it.

    The body of a response raises `ResponseTooLargeError` past `MAX_BYTES`, or `MAX_STREAMED_BYTES` if it is a
    stream of events. A compressed response raises `EncodedResponseError`. The first `MAX_ERROR_BYTES` of an
    error are read, and none if it is compressed. Text is UTF-8, whatever the headers say.
    """

    async def bound(response: httpx2.Response) -> None:
        kind = media_type(response.headers.get("content-type"))
        response.headers["content-type"] = kind  # without the name of a codec
        if response.is_success:
            most = MAX_STREAMED_BYTES if kind == "text/event-stream" else MAX_BYTES
            limit_body(response, most)
        else:
            truncate_body(response, MAX_ERROR_BYTES)

    hooks = (bound, _disable_long_retry)
    client = pooled_client(httpx2, ssl_context, timeout, connections=_MOST_CONNECTIONS, use=use, hooks=hooks)
    return cast(httpx2.AsyncClient, client)


async def _disable_long_retry(response: httpx2.Response) -> None:
    """Bounds the wait before a retry, which would otherwise be up to two minutes."""
    wait = retry_after(response.headers)
    # The client reads both headers itself: an absurd date is an error there, and the second has no bound.
    for name in ("retry-after", "retry-after-ms"):
        response.headers.pop(name, None)
    if wait:
        response.headers["retry-after"] = str(min(ceil(wait), _MAX_RETRY_AFTER))
    if wait > _MAX_WAIT:
        response.headers["x-should-retry"] = "false"  # the client's own name for it


class ModelEvents(AsyncStream[object]):
    """The client's stream with limits; the client itself has none for the size and number of events.

    Raises `ResponseTooLargeError`, and the HTTP library's own errors.
    """

    async def _iter_events(self) -> AsyncIterator[ServerSentEvent]:
        number = 0
        async for event in events(self.response.aiter_bytes(), MAX_EVENT_BYTES):
            number += 1
            if number > MAX_EVENTS:
                raise ResponseTooLargeError(MAX_EVENTS, "events")
            yield _Event(event=event.kind, data=event.data)


class _Event(ServerSentEvent):
    def json(self) -> Any:  # noqa: ANN401 - any JSON value
        return read_json(self.data)
