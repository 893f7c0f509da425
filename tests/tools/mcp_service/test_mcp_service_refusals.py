"""The refusal of one call affects that call only."""

import asyncio

import pytest
from starlette.requests import Request
from starlette.responses import Response, StreamingResponse

from identity.credentials.requirement import AccessTokenRequirement
from tests.responsive import responsive
from tests.tools.mcp_service.mcp_server import Server, failure_of, limited

pytestmark = pytest.mark.promise("heals-by-itself")


def replayed(body, receive):
    """A `receive` that starts with a body that was already read."""
    read = [{"type": "http.request", "body": body, "more_body": False}]

    async def next_message():
        return read.pop() if read else await receive()

    return next_message


class RefusingServer(Server):
    """Refuses each call for the city `mallory` with `status`, and serves all other requests."""

    status = 403

    async def __call__(self, scope, receive, send):
        if scope["type"] != "http":
            await super().__call__(scope, receive, send)
            return
        body = await Request(scope, receive).body()
        self.response = self.refusal_of(dict(scope["headers"]), body)
        await super().__call__(scope, replayed(body, receive), send)

    def refusal_of(self, _headers, body):
        return Response("no", self.status) if b"mallory" in body else None


@pytest.mark.parametrize("status", [400, 401, 403, 404, 429, 500])
async def test_refused_call_does_not_affect_session_and_tools_of_other_callers(
    serve, service_at, key_ring, status
):
    server, now = RefusingServer(), 1.0
    server.status = status
    service = service_at(await serve(server), clock=lambda: now)
    other = key_ring("K1")
    tools = await service.tools(other)
    for _ in range(5):
        mallory = key_ring("K1")
        error = await failure_of(service.call("weather", {"city": "mallory"}, mallory))
        assert error.status == status
        assert len(mallory.renewals) == (status in (401, 403))
        assert service.cached_tools(other) is tools
        assert (await service.call("weather", {"city": "x"}, other)).ok
    assert server.counts["initialize"] == server.counts["tools/list"] == 1
    assert server.counts["DELETE"] == 0
    assert server.counts["tools/call"] == (15 if status in (401, 403) else 10)
    for now in (1.0, 302.0, 303.0):  # noqa: B007 - the service reads it
        await failure_of(service.call("weather", {"city": "mallory"}, key_ring("K1")))
    assert (await service.call("weather", {"city": "x"}, other)).ok
    assert (server.counts["initialize"], server.counts["DELETE"]) == (1, 0)


async def test_sessions_of_a_server_that_was_late_for_minutes_are_opened_anew_once(
    serve, service_at, key_ring
):
    server, now = Server(), 1.0
    service, access = service_at(await serve(server), clock=lambda: now), key_ring("K1")
    assert (await service.call("weather", {"city": "x"}, access)).ok
    for now in (1.0, 302.0, 303.0):  # noqa: B007 - the service reads it
        with limited(service, 0.5):
            assert "no response" in (await failure_of(service.call("waits", {}, access))).detail
    assert (await service.call("weather", {"city": "x"}, access)).ok
    assert server.counts["initialize"] == 2


async def test_server_of_the_older_version_that_names_a_permission_gets_it_once(serve, service_at, key_ring):
    class Strict(RefusingServer):
        def refusal_of(self, headers, body):
            challenge = {"www-authenticate": 'Bearer error="insufficient_scope", scope="write"'}
            refused = headers.get(b"authorization") == b"Bearer K1" and b"tools/call" in body
            return Response("no", 403, headers=challenge) if refused else None

    server = Strict()
    token = AccessTokenRequirement("https://maps.example|read", ("write",))
    service, access = service_at(await serve(server), token), key_ring("K1")
    assert (await service.call("weather", {"city": "x"}, access)).ok
    assert ([each.permission for each in access.stepped], access.renewals) == (["read write"], [])
    assert server.counts["tools/call"] == 2


async def test_concurrent_calls_of_a_forgotten_session_open_one_new_session(serve, service_at, key_ring):
    server = Server()
    service = service_at(await serve(server))
    access = key_ring("K1")
    await service.tools(access)
    await server.restart()
    calls = [service.call("weather", {"city": str(n)}, access) for n in range(20)]
    assert [r.text for r in await asyncio.gather(*calls)] == [f"sunny in {n}" for n in range(20)]
    assert server.counts["initialize"] == 2


async def test_caller_that_waited_for_a_hanging_opening_opens_a_session_itself(serve, service_at, key_ring):
    begun = asyncio.Event()

    async def never():
        begun.set()
        await asyncio.Event().wait()
        yield b""

    server = Server()
    server.response = StreamingResponse(never(), media_type="text/event-stream")
    service = service_at(await serve(server))
    with limited(service, 0.5):
        first = asyncio.create_task(service.call("weather", {"city": "x"}, key_ring("K1")))
        await begun.wait()
    server.response = None
    assert (await service.call("weather", {"city": "y"}, key_ring("K1"))).ok
    await failure_of(first)


class HugeResponse:
    """A response body of 300 MiB."""

    def __init__(self):
        self.sent = 0

    async def respond(self, receive, send):
        left = asyncio.ensure_future(receive())  # what a server sends then goes nowhere
        headers = [(b"content-type", b"text/html; charset=punycode")]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        while self.sent < 300 * 1024 * 1024 and not left.done():
            self.sent += 65_536
            await send({"type": "http.response.body", "body": b"\0" * 65_536, "more_body": True})
            await asyncio.sleep(0)


@pytest.mark.parametrize("method", ["DELETE", "notifications/initialized", "notifications/cancelled"])
async def test_response_that_is_not_needed_is_not_read(serve, service_at, key_ring, method):
    server, huge = Server(), HugeResponse()

    async def app(scope, receive, send):
        if scope["type"] == "http":
            body = await Request(scope, receive).body()
            if scope["method"] == method or f'"{method}"'.encode() in body:
                await huge.respond(receive, send)
                return
            await server(scope, replayed(body, receive), send)
        else:
            await server(scope, receive, send)

    service = service_at(await serve(app))
    async with responsive():
        assert (await service.call("weather", {"city": "x"}, key_ring("K1"))).ok
        if method == "notifications/cancelled":
            with limited(service, 0.5):
                await failure_of(service.call("waits", {}, key_ring("K1")))
        await service.aclose()
    assert 0 < huge.sent < 20 * 1024 * 1024
