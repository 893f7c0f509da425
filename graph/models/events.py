"""The events of a streamed response of the model, bounded in size and number."""

from collections.abc import AsyncIterator
from typing import Any, Final

from openai import AsyncStream
from openai._streaming import ServerSentEvent

from identity.transport.body import ResponseTooLargeError
from identity.transport.json_size import read_json
from identity.transport.server_sent_events import events

MAX_EVENTS: Final = 50_000
MAX_EVENT_BYTES: Final = 1024 * 1024


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
