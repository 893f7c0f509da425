"""The JWKS key source while its endpoint fails: which keys stay in use, and which responses are failures."""

import asyncio
from typing import Any

import httpx
import pytest

from identity.signing_keys.jwks import Jwks
from tests.identity.signing_keys.jwks_endpoint import Endpoint, settled, unavailable


async def test_keys_are_used_for_a_day_during_an_outage(make: Any, endpoint: Endpoint, clock: Any) -> None:
    jwks = make(max_stale=86_400)
    await jwks.find("one", "RS256")
    endpoint.status = 500
    clock.advance(86_400)
    assert await jwks.find("one", "RS256") is not None
    await settled(jwks)
    clock.advance(1)
    assert jwks.cached("one", "RS256") is None
    await unavailable(jwks)
    endpoint.status = 200
    assert await jwks.find("one", "RS256") is not None


async def test_failed_refreshes_are_delayed(make: Any, endpoint: Endpoint, clock: Any) -> None:
    jwks = make(max_age=300, retry_delay=10)
    await jwks.find("one", "RS256")
    endpoint.status = 503
    clock.advance(300)
    for _ in range(5):
        assert jwks.cached("one", "RS256") is not None
        await settled(jwks)
    assert endpoint.requests == 2
    clock.advance(10)
    jwks.cached("one", "RS256")
    await settled(jwks)
    assert endpoint.requests == 3


async def test_unknown_kid_during_an_outage_is_not_reported_as_invalid(
    make: Any, endpoint: Endpoint, clock: Any
) -> None:
    jwks = make()
    await jwks.find("one", "RS256")
    endpoint.status = 500
    await unavailable(jwks, "two")
    await unavailable(jwks, "two")  # without another request, too
    assert endpoint.requests == 2
    endpoint.status = 200
    clock.advance(1)
    assert await jwks.find("two", "RS256") is None


async def test_many_callers_without_keys_cause_one_request_a_second_during_an_outage(
    make: Any, endpoint: Endpoint, clock: Any
) -> None:
    jwks = make()
    endpoint.status = 503
    for _ in range(100):
        await unavailable(jwks)
        clock.advance(0.1)
    assert 10 <= endpoint.requests <= 12
    endpoint.status = 200
    clock.advance(1)
    assert await jwks.find("one", "RS256") is not None


async def test_outage_at_start_recovers_without_a_restart(make: Any, endpoint: Endpoint) -> None:
    jwks = make()
    endpoint.status = 502
    await unavailable(jwks)
    endpoint.status = 200
    await jwks.load()
    assert jwks.cached("one", "RS256") is not None


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{",
        b"[]",
        b"{}",
        b'{"keys":{}}',
        b'{"keys":[]}',
        b'{"keys":[{"kty":"oct","k":"AA"}]}',
        b"<html>",
        b"\xff",
    ],
)
async def test_response_that_is_not_a_jwks_is_an_outage(make: Any, endpoint: Endpoint, body: bytes) -> None:
    endpoint.body = body
    await unavailable(make())


async def test_response_over_the_size_limit_is_an_outage(make: Any, endpoint: Endpoint) -> None:
    endpoint.body = b'{"keys":[' + b" " * 200_000 + b"]}"
    assert "larger" in await unavailable(make())


async def test_too_many_keys_are_refused(make: Any, endpoint: Endpoint, rsa_key: Any, jwk_of: Any) -> None:
    endpoint.publish(*(jwk_of(rsa_key, kid=str(number)) for number in range(65)))
    assert "at most" in await unavailable(make())


async def test_redirect_is_not_followed(make: Any, endpoint: Endpoint) -> None:
    endpoint.redirect = "https://idaas.example/elsewhere"
    assert "307" in await unavailable(make())
    assert endpoint.requests == 1


async def test_server_that_never_responds_is_an_outage(make: Any, endpoint: Endpoint) -> None:
    endpoint.gate = asyncio.Event()
    detail = await unavailable(make(timeout=0.05))
    assert "deadline" in detail or "timeout" in detail
    endpoint.gate.set()


async def test_refused_connection_is_an_outage(clock: Any) -> None:
    async with httpx.AsyncClient(trust_env=False) as http:
        assert "no connection" in await unavailable(Jwks("http://127.0.0.1:1/jwks", http, clock=clock))
