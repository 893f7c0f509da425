"""A model service that would have a client keep a cookie, or go somewhere else."""

from collections.abc import Callable
from typing import Any

from starlette.datastructures import Headers, MutableHeaders
from starlette.responses import RedirectResponse, Response


class SettingCookies:
    """`app`, whose responses set a cookie. Keeps the cookies of the requests."""

    def __init__(self, app: Any) -> None:
        self.app = app
        self.cookies: list[str | None] = []

    async def __call__(self, scope: Any, receive: Any, send: Callable[[Any], Any]) -> None:
        if scope["type"] == "http":
            self.cookies.append(Headers(scope=scope).get("cookie"))

        async def with_cookie(message: Any) -> None:
            if message["type"] == "http.response.start":
                MutableHeaders(scope=message)["set-cookie"] = f"session={len(self.cookies)}; Path=/"
            await send(message)

        await self.app(scope, receive, with_cookie)


class Redirecting:
    """Sends each request on to `address`, with its method and body."""

    def __init__(self, address: str) -> None:
        self.address = address

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] == "http":
            await RedirectResponse(self.address + scope["path"], 307)(scope, receive, send)


class Elsewhere:
    """Keeps the headers of what arrives here."""

    def __init__(self) -> None:
        self.requests: list[Headers] = []

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] == "http":
            self.requests.append(Headers(scope=scope))
            await Response("{}", media_type="application/json")(scope, receive, send)
