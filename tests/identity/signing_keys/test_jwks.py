"""The JWKS key source: when it fetches keys, and which key it finds."""

import asyncio
from typing import Any

import httpx
import pytest

from identity.errors import UnreachableError
from identity.signing_keys.jwks import Jwks
from tests.identity.signing_keys.jwks_endpoint import Endpoint, settled, unavailable


async def test_keys_are_fetched_once_and_cached(make: Any, endpoint: Endpoint) -> None:
    jwks = make()
    assert jwks.cached("one", "RS256") is None
    key = await jwks.find("one", "RS256")
    assert key is not None
    assert jwks.cached("one", "RS256") is key
    assert await jwks.find("one", "RS256") is key
    assert endpoint.requests == 1


@pytest.mark.promise("cheap-refusal")
async def test_concurrent_callers_cause_one_request(make: Any, endpoint: Endpoint) -> None:
    jwks = make()
    keys = await asyncio.gather(*(jwks.find("one", "RS256") for _ in range(100)))
    assert endpoint.requests == 1
    assert len({id(key) for key in keys}) == 1


async def test_old_keys_stay_in_use_while_they_are_refreshed(make, endpoint, clock):
    jwks = make(max_age=300)
    key = await jwks.find("one", "RS256")
    clock.advance(299)
    assert jwks.cached("one", "RS256") is key
    assert endpoint.requests == 1
    clock.advance(1)
    endpoint.publish("one", "two")
    assert jwks.cached("one", "RS256") is key
    await settled(jwks)
    assert endpoint.requests == 2
    assert jwks.cached("two", "RS256") is not None
    assert jwks.cached("one", "RS256") is key, "an unchanged key must stay the same object"


@pytest.mark.parametrize(
    ("header", "age"),
    [
        ("max-age=900", 900),
        ("public, max-age=5", 60),
        ("max-age=999999", 3600),
        ("no-cache", 300),
        ("s-max-age=9", 300),
    ],
)
async def test_max_age_of_the_response_is_respected_within_bounds(make, endpoint, clock, header, age):
    endpoint.headers = {"cache-control": header}
    jwks = make()
    await jwks.find("one", "RS256")
    clock.advance(age - 1)
    jwks.cached("one", "RS256")
    await settled(jwks)
    assert endpoint.requests == 1
    clock.advance(1)
    jwks.cached("one", "RS256")
    await settled(jwks)
    assert endpoint.requests == 2


@pytest.mark.promise("cheap-refusal")
async def test_unknown_kids_cause_about_one_fetch_a_second(make: Any, endpoint: Endpoint, clock: Any) -> None:
    jwks = make()
    await jwks.find("one", "RS256")
    for number in range(6000):
        assert await jwks.find(f"forged-{number}", "RS256") is None
        clock.advance(0.01)
    assert 60 <= endpoint.requests <= 62


@pytest.mark.promise("heals-by-itself")
@pytest.mark.parametrize("a_second", [1, 5, 50, 1000])
@pytest.mark.parametrize("offset", [0.0, 0.25, 0.999])
async def test_new_key_is_found_within_a_second_during_a_flood_of_forged_tokens(
    make: Any, endpoint: Endpoint, clock: Any, a_second: int, offset: float
) -> None:
    jwks = make()
    await jwks.find("one", "RS256")
    forged = 0

    async def flood(seconds: float) -> None:
        nonlocal forged
        for _ in range(round(seconds * a_second)):
            forged += 1
            await jwks.find(f"forged-{forged}", "RS256")
            clock.advance(1 / a_second)

    await flood(13)
    clock.advance(offset / a_second)
    endpoint.publish("one", "two")
    await flood(1)
    assert await jwks.find("two", "RS256") is not None


async def test_clock_set_back_stops_searches_for_one_second(make, endpoint, clock):
    jwks = make()
    for kid in ("one", "forged", "forged"):
        await jwks.find(kid, "RS256")
    endpoint.publish("one", "two")
    clock.advance(-3600)
    assert await jwks.find("two", "RS256") is None
    clock.advance(1)
    assert await jwks.find("two", "RS256") is not None


async def test_rotated_key_is_found_at_its_first_use(make: Any, endpoint: Endpoint) -> None:
    jwks = make()
    await jwks.find("one", "RS256")
    endpoint.publish("two")
    assert await jwks.find("two", "RS256") is not None
    assert jwks.cached("one", "RS256") is None
    assert endpoint.requests == 2


@pytest.mark.promise("heals-by-itself")
async def test_key_published_during_a_fetch_is_found_at_once(make, endpoint, clock):
    jwks = make(max_age=300)
    await jwks.find("one", "RS256")
    clock.advance(300)
    endpoint.arrived.clear()
    endpoint.gate = asyncio.Event()
    jwks.cached("one", "RS256")
    await endpoint.arrived.wait()
    endpoint.publish("one", "two")
    waiting = [asyncio.create_task(jwks.find("two", "RS256")) for _ in range(5)]
    await asyncio.sleep(0)
    endpoint.gate.set()
    assert None not in await asyncio.gather(*waiting)
    assert endpoint.requests == 3


async def test_without_kid_only_a_single_key_is_found(make: Any, endpoint: Endpoint, clock: Any) -> None:
    jwks = make()
    assert await jwks.find(None, "RS256") is await jwks.find("one", "RS256")
    endpoint.publish("one", "two")
    clock.advance(300)
    jwks.cached("one", "RS256")
    await settled(jwks)
    assert jwks.cached(None, "RS256") is None


@pytest.mark.promise("cheap-refusal")
async def test_keys_are_as_old_as_the_request_for_them(make: Any, endpoint: Endpoint, clock: Any) -> None:
    endpoint.gate = asyncio.Event()
    jwks = make(max_stale=86_400)
    waiter = asyncio.create_task(jwks.find("one", "RS256"))
    await endpoint.arrived.wait()
    clock.advance(86_401)
    endpoint.gate.set()
    assert await waiter is not None
    assert jwks.cached("one", "RS256") is None


async def test_closing_ends_the_fetch_and_its_waiters(make: Any, endpoint: Endpoint) -> None:
    endpoint.gate = asyncio.Event()
    jwks = make()
    waiter = asyncio.create_task(jwks.find("one", "RS256"))
    await endpoint.arrived.wait()
    await jwks.aclose()
    with pytest.raises(UnreachableError):
        await waiter
    endpoint.gate.set()


@pytest.mark.parametrize(
    "url",
    [
        "http://idaas.example/jwks",
        "ftp://idaas.example/jwks",
        "https://user:pass@idaas.example/jwks",
        "https:///jwks",
        "jwks",
        "",
        "http://127.0.0.1.evil.example/jwks",
        "http://localhost.evil.example/jwks",
        "https://idaas.example:0/jwks",
        "https://idaas.example:x/jwks",
        "https://idaas.example/ jwks",
    ],
)
async def test_insecure_url_is_refused(url: str) -> None:
    async with httpx.AsyncClient() as http:
        with pytest.raises(ValueError, match="https"):
            Jwks(url, http)


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


async def test_unknown_kid_during_an_outage_is_not_reported_as_invalid(make, endpoint, clock):
    jwks = make()
    await jwks.find("one", "RS256")
    endpoint.status = 500
    await unavailable(jwks, "two")
    await unavailable(jwks, "two")  # without another request, too
    assert endpoint.requests == 2
    endpoint.status = 200
    clock.advance(1)
    assert await jwks.find("two", "RS256") is None


async def test_many_callers_without_keys_cause_one_request_a_second_during_an_outage(make, endpoint, clock):
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


NOT_A_JWKS = [b"", b"{", b"[]", b"{}", b'{"keys":{}}', b'{"keys":[]}', b"<html>", b"\xff"]


@pytest.mark.parametrize(
    ("given", "detail"),
    [
        *(({"body": body}, "") for body in NOT_A_JWKS),
        ({"body": b'{"keys":[{"kty":"oct","k":"AA"}]}'}, "no usable signing key"),
        ({"body": b'{"keys":[' + b" " * 200_000 + b"]}"}, "larger"),
        ({"body": b'{"keys":[' + b",".join([b"{}"] * 65) + b"]}"}, "at most"),
        ({"redirect": "https://idaas.example/elsewhere"}, "307"),
    ],
)
async def test_response_that_is_not_a_jwks_of_few_keys_is_an_outage(make, endpoint, given, detail):
    vars(endpoint).update(given)
    assert detail in await unavailable(make())
    assert endpoint.requests == 1


async def test_server_that_never_responds_is_an_outage(make: Any, endpoint: Endpoint) -> None:
    endpoint.gate = asyncio.Event()
    detail = await unavailable(make(timeout=0.05))
    assert "deadline" in detail or "timeout" in detail
    endpoint.gate.set()


async def test_refused_connection_is_an_outage(clock: Any) -> None:
    async with httpx.AsyncClient(trust_env=False) as http:
        assert "no server listens" in await unavailable(Jwks("http://127.0.0.1:1/jwks", http, clock=clock))
