"""A flight serves many, so it belongs to none of them."""

import asyncio
import gc
import logging
from contextvars import ContextVar

import pytest

from identity.error_codes import IdentityCode
from identity.errors import AgentError, UnreachableError
from identity.single_flight import SingleFlight

REQUEST = ContextVar("REQUEST", default="no request")


def closed() -> AgentError:
    return UnreachableError(IdentityCode.IDAAS_UNREACHABLE, "closed")


@pytest.fixture
def flights() -> SingleFlight[str]:
    return SingleFlight(closed)


async def test_a_flight_does_not_see_the_variables_of_who_started_it(flights: SingleFlight[str]) -> None:
    REQUEST.set("the request of the first caller")

    async def fetch() -> str:
        return REQUEST.get()

    assert await flights.run("key", fetch) == "no request"


async def test_a_key_can_fly_again_after_it_landed(flights: SingleFlight[str]) -> None:
    results = iter(["first", "second"])

    async def fetch() -> str:
        return next(results)

    assert await flights.run("key", fetch) == "first"
    assert "key" not in flights
    assert await flights.run("key", fetch) == "second"


async def test_an_error_that_nobody_waits_for_is_no_log_line(
    flights: SingleFlight[str], caplog: pytest.LogCaptureFixture
) -> None:
    async def fetch() -> str:
        raise closed()

    with caplog.at_level(logging.DEBUG):
        await asyncio.wait([flights.start("key", fetch)])
        gc.collect()
    assert not [
        record for record in caplog.records if record.name == "asyncio" and record.levelno > logging.DEBUG
    ]


async def test_a_waiter_that_is_cancelled_while_closing_is_cancelled(flights: SingleFlight[str]) -> None:
    async def fetch() -> str:
        await asyncio.Event().wait()
        return ""

    waiter = asyncio.create_task(flights.run("key", fetch))
    other = asyncio.create_task(flights.run("key", fetch))
    await asyncio.sleep(0)
    waiter.cancel()
    await flights.aclose()
    results = await asyncio.gather(waiter, other, return_exceptions=True)
    assert isinstance(results[0], asyncio.CancelledError)
    assert isinstance(results[1], UnreachableError)
