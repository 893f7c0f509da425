"""The list of the runs of a thread, for its owner: Aegra responds with an empty one to all others."""

import re
from typing import Final

from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Receive, Scope, Send

from agent.errors.error_response import RequestError, error_body
from agent.langgraph_server.server_threads import ServerThreads

_RUNS: Final = re.compile(r"/threads/([^/]+)/runs")
_NO_SUCH_THREAD: Final = RequestError(None, "no such thread", code="not_found", status=404)


class OwnThreads:
    """A pure ASGI middleware, inside of the route guard."""

    def __init__(self, app: ASGIApp, threads: ServerThreads) -> None:
        self._app = app
        self._threads = threads

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """404 for the runs of a thread that is not the caller's; passes on every other request."""
        listed = scope["type"] == "http" and scope["method"] in ("GET", "HEAD")
        route = _RUNS.fullmatch(scope["path"]) if listed else None
        if route is not None and await self._threads.find(scope, route[1]) is None:
            await JSONResponse(error_body(_NO_SUCH_THREAD), 404)(scope, receive, send)
        else:
            await self._app(scope, receive, send)
