"""A route that FastAPI documents and Starlette calls."""

import inspect
from collections.abc import Callable
from typing import Any

from fastapi import Request
from fastapi.routing import APIRoute
from starlette.routing import request_response
from starlette.types import Receive, Scope, Send


class DirectRoute(APIRoute):
    """A route whose endpoint, if it takes the `Request` alone, is called with it. It returns a response.

    FastAPI would look for dependencies and keep three exit stacks until the response is sent. A route with
    other parameters is FastAPI's.
    """

    def __init__(self, path: str, endpoint: Callable[..., Any], **options: Any) -> None:  # noqa: ANN401 - FastAPI's
        super().__init__(path, endpoint, **options)
        parameters = [parameter.annotation for parameter in inspect.signature(endpoint).parameters.values()]
        self._direct = request_response(endpoint) if parameters == [Request] else None
        self._allowed = self.methods or ()

    async def handle(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Calls the endpoint."""
        if self._direct is not None and scope["method"] in self._allowed:
            await self._direct(scope, receive, send)
        else:
            await super().handle(scope, receive, send)
