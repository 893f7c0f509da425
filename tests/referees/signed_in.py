"""A middleware for suites that send no access token."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class SignedIn:
    """An ASGI application in which a request without a token has the one that `token` returns."""

    app: Any
    token: Callable[[], str]

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        """Passes each request on."""
        if scope["type"] == "http" and all(name != b"authorization" for name, _ in scope["headers"]):
            bearer = b"authorization", f"Bearer {self.token()}".encode()
            scope = scope | {"headers": [*scope["headers"], bearer]}
        await self.app(scope, receive, send)
