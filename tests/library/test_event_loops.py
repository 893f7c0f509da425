"""An `Identity` belongs to one event loop, and opens anew when that was closed."""

import asyncio
import threading

import pytest

from idaas_agent import Identity
from tests.suite import Sandbox


@pytest.fixture
def unopened(sandbox: Sandbox, variables: dict[str, str]) -> Identity:
    return Identity.from_env(variables, clock=sandbox.clock)


def test_two_runs_of_a_script_use_one_identity(sandbox: Sandbox, unopened: Identity) -> None:
    token, opened = sandbox.access_token("alice"), []

    async def program() -> str:
        opened.append(await unopened.parts())
        return (await unopened.verify(token)).subject

    assert asyncio.run(program()) == asyncio.run(program())
    first, second = opened
    assert first is not second


def test_connections_are_closed_with_their_event_loop(unopened: Identity) -> None:
    parts = asyncio.run(unopened.parts())
    assert parts.http.is_closed


def test_second_living_event_loop_gets_an_error(sandbox: Sandbox, unopened: Identity) -> None:
    begun, over = threading.Event(), threading.Event()

    async def first() -> None:
        await unopened.verify(sandbox.access_token("alice"))
        begun.set()
        await asyncio.to_thread(over.wait)

    thread = threading.Thread(target=lambda: asyncio.run(first()))
    thread.start()
    begun.wait()
    try:
        with pytest.raises(RuntimeError, match="another event loop, which is still open"):
            asyncio.run(unopened.verify(sandbox.access_token("alice")))
        with pytest.raises(RuntimeError, match="another event loop, which is still open"):
            asyncio.run(unopened.aclose())
    finally:
        over.set()
        thread.join()
    assert asyncio.run(unopened.verify(sandbox.access_token("alice")))


async def test_first_users_share_what_is_opened(unopened: Identity) -> None:
    first, *others = await asyncio.gather(*(unopened.parts() for _ in range(20)))
    assert all(parts is first for parts in others)
    await unopened.aclose()


async def test_cancelled_first_user_does_not_end_the_opening(unopened: Identity) -> None:
    first = asyncio.create_task(unopened.parts())
    second = asyncio.create_task(unopened.parts())
    await asyncio.sleep(0)
    first.cancel()
    assert await second
    await unopened.aclose()


async def test_closed_identity_opens_anew(sandbox: Sandbox, unopened: Identity) -> None:
    async with unopened as identity:
        first = await identity.parts()
    await unopened.aclose()
    assert first.http.is_closed
    assert await unopened.verify(sandbox.access_token("alice"))
    await unopened.aclose()


async def test_opening_that_fails_is_tried_again(variables: dict[str, str], tmp_path) -> None:
    file = tmp_path / "ca.pem"
    file.write_text("no certificate")
    identity = Identity.from_env(variables | {"SSL_CERT_FILE": str(file)})
    for _ in range(2):
        with pytest.raises(OSError, match=r"certificate|PEM"):
            await identity.parts()
    await identity.aclose()
