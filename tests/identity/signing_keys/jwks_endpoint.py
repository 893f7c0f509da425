"""A JWKS endpoint in memory, and sources of keys that ask it."""

import asyncio
import json
from dataclasses import dataclass, field
from typing import Any

import pytest
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from identity.error_codes import IdentityCode
from identity.errors import UnreachableError
from identity.signing_keys.jwks import Jwks


@dataclass
class Endpoint:
    """Answers with whatever a test puts here; `requests` counts."""

    keys: dict[str, dict[str, Any]]
    """By their `kid`; another one is that of the first key."""
    body: bytes = b""
    status: int = 200
    headers: dict[str, str] = field(default_factory=dict)
    requests: int = 0
    gate: asyncio.Event | None = None
    redirect: str | None = None
    arrived: asyncio.Event = field(default_factory=asyncio.Event)

    def publish(self, *kids: str) -> None:
        keys = [self.keys.get(kid) or {**self.keys["one"], "kid": kid} for kid in kids]
        self.body = json.dumps({"keys": keys}).encode()

    async def answer(self, request: Request) -> Response:
        self.requests += 1
        body = self.body
        self.arrived.set()
        if self.gate is not None:
            await self.gate.wait()
        if self.redirect and request.url.path == "/jwks":
            return RedirectResponse(self.redirect)
        return Response(body, status_code=self.status, headers=self.headers)


async def unavailable(jwks: Jwks, kid: str = "one") -> str:
    with pytest.raises(UnreachableError) as caught:
        await jwks.find(kid, "RS256")
    assert caught.value.code is IdentityCode.JWKS_UNAVAILABLE
    return caught.value.detail


async def settled(jwks: Jwks) -> None:
    """Waits for a refresh that is under way."""
    if flights := list(jwks._flight._flights.values()):
        await asyncio.wait(flights)
