"""The pages that may call LangGraph Server from a browser: `CORS_ALLOWED_ORIGINS` and Studio.

Outside of the route guard, so that a page can read why a request is refused. The server's own middleware is
inside of it; `langgraph.json` allows no origin there.
"""

from typing import Final

from starlette.middleware.cors import CORSMiddleware
from starlette.types import ASGIApp, Receive, Scope, Send

from agent.api.langgraph.server_agent import agent_of_this_loop
from identity.errors import ConfigurationError

STUDIO: Final = ("https://smith.langchain.com", "https://eu.smith.langchain.com")
"""The pages of LangGraph Studio. They send the access token only if its user enters it there."""

_EXPOSED: Final = (
    "Content-Location",
    "Location",
    "Retry-After",
    "WWW-Authenticate",
    "X-Pagination-Next",
    "X-Pagination-Total",
    "X-Request-Id",
)
"""The clients read a run's id from the first, and reconnect a stream with the second."""


class CrossOrigin:
    """A pure ASGI middleware. It reads the setting at the first request that has an `Origin`."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app
        self._with_headers: ASGIApp | None = None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Responds to preflight requests, and adds the headers to responses for allowed origins.

        While the settings are invalid, no origin is allowed.
        """
        app = self._app
        if scope["type"] == "http" and any(name == b"origin" for name, _ in scope["headers"]):
            app = await self._allowing()
        await app(scope, receive, send)

    async def _allowing(self) -> ASGIApp:
        if self._with_headers is None:
            try:
                settings = (await agent_of_this_loop()).settings
            except ConfigurationError:
                return self._app
            self._with_headers = CORSMiddleware(
                self._app,
                allow_origins=(*settings.cors_allowed_origins, *STUDIO),
                allow_methods=("GET", "POST", "PATCH", "DELETE"),
                allow_headers=("*",),
                allow_private_network=True,
                expose_headers=_EXPOSED,
                max_age=600,
            )
        return self._with_headers
