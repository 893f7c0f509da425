"""The page server of a browser test, whose configuration each test sets."""

from collections.abc import Mapping
from pathlib import Path

from starlette.datastructures import MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from agent.commands.page_server import page_application

FRONTEND = Path(__file__).resolve().parents[2] / "frontend"


class PageSwitch:
    """Serves the page with the configuration that the running test has set."""

    def __init__(self) -> None:
        self.application: ASGIApp = page_application(FRONTEND)

    def configure(self, app_config: Mapping[str, str]) -> None:
        self.application = page_application(FRONTEND, app_config)

    def configure_for(self, agent: str, **more: str) -> None:
        """The page for an agent's URL, with the five keys that are required and `more`."""
        self.configure(
            {
                "API_URL": agent,
                "IDAAS_AUTHORIZE_ENDPOINT": "http://localhost:9400/authorize",
                "IDAAS_LOGOUT_ENDPOINT": "http://localhost:9400/logout",
                "CLIENT_ID": "app_client01",
                "SCOPE": "https://agent.sandbox.example|agent.access",
            }
            | more
        )

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Lets the browser keep the files that are the same in every test."""

        async def send_cacheable(message: Message) -> None:
            if message["type"] == "http.response.start" and scope["path"] not in ("/", "/config.js"):
                MutableHeaders(scope=message)["cache-control"] = "max-age=3600"
            await send(message)

        await self.application(scope, receive, send_cacheable)
