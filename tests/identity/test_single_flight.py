"""A fetch is shared by its waiters and independent of each of them."""

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


async def test_fetch_does_not_see_the_context_variables_of_its_first_caller(flights):
    REQUEST.set("the request of the first caller")

    async def fetch() -> str:
        return REQUEST.get()

    assert await flights.run("key", fetch) == "no request"


async def test_error_without_waiters_is_not_logged(flights, caplog):
    async def fetch() -> str:
        raise closed()

    with caplog.at_level(logging.DEBUG):
        await asyncio.wait([flights.start("key", fetch)])
        gc.collect()
    assert not [
        record for record in caplog.records if record.name == "asyncio" and record.levelno > logging.DEBUG
    ]


async def test_waiter_cancelled_while_closing_raises_cancelled_error(flights: SingleFlight[str]) -> None:
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
