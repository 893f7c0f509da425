"""Streams of LangServe with the agent's error event, and the playground's missing files as 404."""

import contextlib
import json
import logging
from collections.abc import AsyncGenerator, Callable, Coroutine
from typing import Any, Final, cast

from fastapi import Request
from fastapi.routing import APIRoute
from sse_starlette import EventSourceResponse
from starlette.responses import Response

from agent.api.disconnect import ClientDisconnectedError
from agent.errors.error_response import RequestError, internal_error_body, reported_body, status_of
from identity.errors import AgentError

_LOG: Final = logging.getLogger("idaas_agent.langserve")


class LangServeRoute(APIRoute):
    """A route of LangServe whose stream always ends well-formed."""

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        """FastAPI's handler, with the events of a stream replaced."""
        handler = super().get_route_handler()

        async def handle(request: Request) -> Response:
            try:
                response = await handler(request)
            except (OSError, ValueError):  # the playground opens every path: folders, long names, "%00"
                if "file_path" not in request.path_params:
                    raise
                raise RequestError(None, "there is no such file", code="not_found", status=404) from None
            if isinstance(response, EventSourceResponse):
                events = cast(AsyncGenerator[Any], response.body_iterator)
                response.body_iterator = _with_error_event(events)
            return response

        return handle


async def _with_error_event(events: AsyncGenerator[Any]) -> AsyncGenerator[Any]:
    """LangServe's events. Its own `error` event has no detail and is dropped; the raised error follows it."""
    try:
        async for event in events:
            if not isinstance(event, dict) or event.get("event") != "error":
                yield event
    except AgentError as error:
        yield _error_event(reported_body(error), status_of(error))
    except ClientDisconnectedError:
        return
    except Exception as error:  # noqa: BLE001 - the text may contain a secret
        _LOG.error("stream failed unexpectedly: %s", type(error).__name__)
        yield _error_event(internal_error_body(), 500)
    finally:
        with contextlib.suppress(RuntimeError):  # LangServe's generator also yields when it is closed
            await events.aclose()


def _error_event(body: dict[str, Any], status: int) -> dict[str, str]:
    """An error event. LangServe's client builds its exception from `status_code` and `message`."""
    message = f"{body['error']['message']} ({body['error']['code']})"
    data = {"status_code": status, "message": message, **body}
    return {"event": "error", "data": json.dumps(data, ensure_ascii=False)}
