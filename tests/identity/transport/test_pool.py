"""Clients use few connections of their own, or the proxy of the environment."""

import pytest
from starlette.applications import Starlette
from starlette.responses import PlainTextResponse
from starlette.routing import Route

from identity.transport.client import http_client


class Service:
    """A service that records the connections of its requests."""

    def __init__(self):
        self.ports = []

    async def respond(self, request):
        self.ports.append(request.client.port)
        return PlainTextResponse("done")

    @property
    def app(self):
        return Starlette(routes=[Route("/", self.respond)])


@pytest.fixture
def service():
    return Service()


async def test_requests_one_after_another_use_one_connection(serve, service):
    async with http_client(None, 10) as client:
        url = await serve(service.app)
        for _ in range(12):
            assert (await client.get(url)).text == "done"
    assert len(set(service.ports)) == 1


async def test_proxy_of_the_environment_is_used(serve, service, monkeypatch):
    proxy = await serve(service.app)
    monkeypatch.setenv("HTTP_PROXY", proxy)
    monkeypatch.setenv("NO_PROXY", "")
    async with http_client(None, 10) as client:
        assert (await client.get("http://service.example/")).text == "done"
