"""The JWKS source: when it asks, when it does not, and what it believes."""

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from typing import Any

import httpx
import pytest
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from jwt.algorithms import RSAAlgorithm
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import Route

from identity.error_table import ErrorCode
from identity.errors import UnreachableError
from identity.jwks import Jwks
from identity.signing_key import signing_key


@dataclass
class Endpoint:
    """Answers with whatever a test puts here; `requests` counts."""

    body: bytes = b""
    status: int = 200
    headers: dict[str, str] = field(default_factory=dict)
    requests: int = 0
    gate: asyncio.Event | None = None
    redirect: str | None = None
    arrived: asyncio.Event = field(default_factory=asyncio.Event)

    def publish(self, *jwks: dict[str, Any]) -> None:
        self.body = json.dumps({"keys": jwks}).encode()

    async def answer(self, request: Request) -> Response:
        self.requests += 1
        body = self.body
        self.arrived.set()
        if self.gate is not None:
            await self.gate.wait()
        if self.redirect and request.url.path == "/jwks":
            return RedirectResponse(self.redirect)
        return Response(body, status_code=self.status, headers=self.headers)


@pytest.fixture
def endpoint(rsa_key: rsa.RSAPrivateKey, jwk_of: Any) -> Endpoint:
    endpoint = Endpoint()
    endpoint.publish(jwk_of(rsa_key, kid="one"))
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


async def unavailable(jwks: Jwks, kid: str = "one") -> str:
    with pytest.raises(UnreachableError) as caught:
        await jwks.find(kid, "RS256")
    assert caught.value.code is ErrorCode.JWKS_UNAVAILABLE
    return caught.value.detail


async def settled(jwks: Jwks) -> None:
    """Waits for a refresh that is under way."""
    if flights := list(jwks._flight._flights.values()):
        await asyncio.wait(flights)


async def test_keys_are_fetched_once_and_kept(make: Any, endpoint: Endpoint) -> None:
    jwks = make()
    assert jwks.held("one", "RS256") is None
    key = await jwks.find("one", "RS256")
    assert key is not None
    assert jwks.held("one", "RS256") is key
    assert await jwks.find("one", "RS256") is key
    assert endpoint.requests == 1


@pytest.mark.promise("cheap-refusal")
async def test_however_many_wait_one_request_is_made(make: Any, endpoint: Endpoint) -> None:
    jwks = make()
    keys = await asyncio.gather(*(jwks.find("one", "RS256") for _ in range(100)))
    assert endpoint.requests == 1
    assert len({id(key) for key in keys}) == 1


async def test_a_waiter_that_leaves_does_not_take_the_others_keys(make: Any, endpoint: Endpoint) -> None:
    endpoint.gate = asyncio.Event()
    jwks = make()
    first = asyncio.create_task(jwks.find("one", "RS256"))
    second = asyncio.create_task(jwks.find("one", "RS256"))
    await endpoint.arrived.wait()
    first.cancel()
    endpoint.gate.set()
    assert await second is not None
    assert first.cancelled()
    assert endpoint.requests == 1


async def test_old_keys_are_refreshed_in_the_background_and_used_meanwhile(
    make: Any, endpoint: Endpoint, clock: Any, rsa_key: Any, other_rsa_key: Any, jwk_of: Any
) -> None:
    jwks = make(max_age=300)
    key = await jwks.find("one", "RS256")
    clock.advance(299)
    assert jwks.held("one", "RS256") is key
    assert endpoint.requests == 1
    clock.advance(1)
    endpoint.publish(jwk_of(rsa_key, kid="one"), jwk_of(other_rsa_key, kid="two"))
    assert jwks.held("one", "RS256") is key
    await settled(jwks)
    assert endpoint.requests == 2
    assert jwks.held("two", "RS256") is not None
    assert jwks.held("one", "RS256") is key, "an unchanged key must stay the same object"


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
async def test_the_answer_says_how_old_keys_may_get_within_bounds(
    make: Any, endpoint: Endpoint, clock: Any, header: str, age: int
) -> None:
    endpoint.headers = {"cache-control": header}
    jwks = make()
    await jwks.find("one", "RS256")
    clock.advance(age - 1)
    jwks.held("one", "RS256")
    await settled(jwks)
    assert endpoint.requests == 1
    clock.advance(1)
    jwks.held("one", "RS256")
    await settled(jwks)
    assert endpoint.requests == 2


@pytest.mark.promise("cheap-refusal")
async def test_an_unknown_kid_is_looked_for_once_and_then_not_for_a_while(
    make: Any, endpoint: Endpoint, clock: Any
) -> None:
    jwks = make(cooldown=10)
    await jwks.find("one", "RS256")
    assert await jwks.find("two", "RS256") is None
    assert endpoint.requests == 2
    for number in range(20):
        assert await jwks.find(f"forged-{number}", "RS256") is None
    assert endpoint.requests == 2
    clock.advance(10)
    assert await jwks.find("two", "RS256") is None
    assert endpoint.requests == 3


async def test_a_rotated_key_is_found_at_its_first_use(
    make: Any, endpoint: Endpoint, other_rsa_key: Any, jwk_of: Any
) -> None:
    jwks = make()
    await jwks.find("one", "RS256")
    endpoint.publish(jwk_of(other_rsa_key, kid="two"))
    assert await jwks.find("two", "RS256") is not None
    assert jwks.held("one", "RS256") is None
    assert endpoint.requests == 2


@pytest.mark.promise("heals-by-itself")
async def test_a_key_rotated_in_while_the_keys_are_being_fetched_is_found_at_once(
    make: Any, endpoint: Endpoint, clock: Any, rsa_key: Any, other_rsa_key: Any, jwk_of: Any
) -> None:
    jwks = make(max_age=300)
    await jwks.find("one", "RS256")
    clock.advance(300)
    endpoint.arrived.clear()
    endpoint.gate = asyncio.Event()
    jwks.held("one", "RS256")
    await endpoint.arrived.wait()
    endpoint.publish(jwk_of(rsa_key, kid="one"), jwk_of(other_rsa_key, kid="two"))
    waiting = [asyncio.create_task(jwks.find("two", "RS256")) for _ in range(5)]
    await asyncio.sleep(0)
    endpoint.gate.set()
    assert None not in await asyncio.gather(*waiting)
    assert endpoint.requests == 3


async def test_without_a_kid_the_only_key_is_found_and_none_of_several(
    make: Any, endpoint: Endpoint, clock: Any, rsa_key: Any, other_rsa_key: Any, jwk_of: Any
) -> None:
    jwks = make()
    assert await jwks.find(None, "RS256") is await jwks.find("one", "RS256")
    endpoint.publish(jwk_of(rsa_key, kid="one"), jwk_of(other_rsa_key, kid="two"))
    clock.advance(300)
    jwks.held("one", "RS256")
    await settled(jwks)
    assert jwks.held(None, "RS256") is None


async def test_keys_outlive_an_outage_for_a_day_and_no_longer(
    make: Any, endpoint: Endpoint, clock: Any
) -> None:
    jwks = make(max_stale=86_400)
    await jwks.find("one", "RS256")
    endpoint.status = 500
    clock.advance(86_400)
    assert await jwks.find("one", "RS256") is not None
    await settled(jwks)
    clock.advance(1)
    assert jwks.held("one", "RS256") is None
    await unavailable(jwks)
    endpoint.status = 200
    assert await jwks.find("one", "RS256") is not None


@pytest.mark.promise("cheap-refusal")
async def test_keys_are_as_old_as_the_request_for_them(make: Any, endpoint: Endpoint, clock: Any) -> None:
    endpoint.gate = asyncio.Event()
    jwks = make(max_stale=86_400)
    waiter = asyncio.create_task(jwks.find("one", "RS256"))
    await endpoint.arrived.wait()
    clock.advance(86_401)
    endpoint.gate.set()
    assert await waiter is not None
    assert jwks.held("one", "RS256") is None


async def test_refreshes_that_fail_are_spaced_out(make: Any, endpoint: Endpoint, clock: Any) -> None:
    jwks = make(max_age=300, cooldown=10)
    await jwks.find("one", "RS256")
    endpoint.status = 503
    clock.advance(300)
    for _ in range(5):
        assert jwks.held("one", "RS256") is not None
        await settled(jwks)
    assert endpoint.requests == 2
    clock.advance(10)
    jwks.held("one", "RS256")
    await settled(jwks)
    assert endpoint.requests == 3


async def test_an_unknown_kid_during_an_outage_is_no_verdict(
    make: Any, endpoint: Endpoint, clock: Any
) -> None:
    jwks = make()
    await jwks.find("one", "RS256")
    endpoint.status = 500
    await unavailable(jwks, "two")
    await unavailable(jwks, "two")  # in the cooldown too
    assert endpoint.requests == 2
    endpoint.status = 200
    clock.advance(10)
    assert await jwks.find("two", "RS256") is None


async def test_down_at_first_recovers_without_a_restart(make: Any, endpoint: Endpoint) -> None:
    jwks = make()
    endpoint.status = 502
    await unavailable(jwks)
    endpoint.status = 200
    await jwks.load()
    assert jwks.held("one", "RS256") is not None


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
async def test_an_answer_that_is_no_jwks_is_an_outage(make: Any, endpoint: Endpoint, body: bytes) -> None:
    endpoint.body = body
    await unavailable(make())


async def test_an_answer_without_end_is_cut_off(make: Any, endpoint: Endpoint) -> None:
    endpoint.body = b'{"keys":[' + b" " * 200_000 + b"]}"
    assert "larger" in await unavailable(make())


async def test_too_many_keys_are_refused(make: Any, endpoint: Endpoint, rsa_key: Any, jwk_of: Any) -> None:
    endpoint.publish(*(jwk_of(rsa_key, kid=str(number)) for number in range(65)))
    assert "at most" in await unavailable(make())


async def test_a_redirect_is_not_followed(make: Any, endpoint: Endpoint) -> None:
    endpoint.redirect = "https://idaas.example/elsewhere"
    assert "307" in await unavailable(make())
    assert endpoint.requests == 1


async def test_a_server_that_never_answers_is_given_up(make: Any, endpoint: Endpoint) -> None:
    endpoint.gate = asyncio.Event()
    detail = await unavailable(make(timeout=0.05))
    assert "deadline" in detail or "timeout" in detail
    endpoint.gate.set()


async def test_a_refused_connection_is_an_outage(clock: Any) -> None:
    async with httpx.AsyncClient(trust_env=False) as http:
        assert "no connection" in await unavailable(Jwks("http://127.0.0.1:1/jwks", http, clock=clock))


async def test_closing_ends_a_fetch_and_its_waiters(make: Any, endpoint: Endpoint) -> None:
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
async def test_an_insecure_url_is_refused(url: str) -> None:
    async with httpx.AsyncClient() as http:
        with pytest.raises(ValueError, match="https"):
            Jwks(url, http)


def test_only_keys_that_are_fit_for_signatures_are_used(rsa_key: Any, ec_key: Any, jwk_of: Any) -> None:
    good = jwk_of(rsa_key, kid="one")
    assert signing_key(good) is not None
    assert signing_key({**good, "alg": "RS256"}) is not None
    assert signing_key({name: good[name] for name in ("kty", "n", "e")}) is not None
    assert signing_key(jwk_of(ec_key, kid="two", alg="ES256")) is not None
    small = jwk_of(rsa.generate_private_key(65537, 1024))  # noqa: S505 - too small is the point
    p384 = jwk_of(ec.generate_private_key(ec.SECP384R1()))
    private = {**RSAAlgorithm.to_jwk(rsa_key, as_dict=True), "key_ops": ["verify"]}
    for unfit in [
        small,
        p384,
        private,
        {**good, "use": "enc"},
        {**good, "key_ops": ["sign"]},
        {**good, "key_ops": "verify"},
        {**good, "alg": "RS512"},
        {**good, "alg": "PS256"},
        {**good, "alg": "ES256"},
        {**good, "kid": 7},
        {**good, "kid": ""},
        {**good, "e": "Ag"},
        {**good, "e": "AQ"},
        {**good, "n": good["n"] + "="},
        {**good, "n": 7},
        {**jwk_of(ec_key), "x": "AAAA"},
        {**jwk_of(ec_key), "alg": "RS256"},
        {"kty": "oct", "k": "AAAA"},
        {"kty": "OKP", "crv": "Ed25519", "x": "AAAA"},
        {},
        None,
        "key",
    ]:
        assert signing_key(unfit) is None, unfit
