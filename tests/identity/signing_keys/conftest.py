"""The JWKS endpoint of a test, and sources of keys that read it."""

from collections.abc import AsyncIterator, Callable
from typing import Any

import httpx
import pytest
from cryptography.hazmat.primitives.asymmetric import rsa
from starlette.applications import Starlette
from starlette.routing import Route

from identity.signing_keys.jwks import Jwks
from tests.identity.signing_keys.jwks_endpoint import Endpoint


@pytest.fixture
def endpoint(rsa_key: rsa.RSAPrivateKey, other_rsa_key: rsa.RSAPrivateKey, jwk_of: Any) -> Endpoint:
    endpoint = Endpoint({"one": jwk_of(rsa_key, kid="one"), "two": jwk_of(other_rsa_key, kid="two")})
    endpoint.publish("one")
    return endpoint


@pytest.fixture
async def make(endpoint: Endpoint, clock: Any) -> AsyncIterator[Callable[..., Jwks]]:
    made: list[Jwks] = []
    application = Starlette(routes=[Route("/{path:path}", endpoint.answer)])
    async with httpx.AsyncClient(transport=httpx.ASGITransport(application)) as http:

        def make(**arguments: Any) -> Jwks:
            made.append(Jwks("https://idaas.example/jwks", http, clock=clock, **arguments))
            return made[-1]

        yield make
        for jwks in made:
            await jwks.aclose()
