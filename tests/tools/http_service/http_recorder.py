"""An HTTP service that answers as a test says and keeps what it was asked, and an agent's service for it."""

import asyncio

import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from identity.credentials.credential import ApiKeyRequirement
from tools.http_service.service import HTTPService


class Recorder:
    """A service that answers by `answer` and keeps what it was asked."""

    def __init__(self, answer):
        self.requests: list[Request] = []
        self.answer = answer
        self.app = Starlette(routes=[Route("/{path:path}", self.handle, methods=["GET", "POST", "PUT"])])

    async def handle(self, request: Request) -> Response:
        await request.body()
        self.requests.append(request)
        answer = self.answer(request)
        return await answer if asyncio.iscoroutine(answer) else answer


def bearer(request):
    return request.headers.get("authorization", "").removeprefix("Bearer ")


@pytest.fixture
async def service_at():
    services = []

    def make(url, **options):
        service = HTTPService("orders", url, ApiKeyRequirement("key"), **options)
        services.append(service)

        @service.tool
        async def get(http):
            """Gets."""
            return (await http.get()).text

        @service.tool
        async def order(http, number: str):
            """Gets one order."""
            return (await http.get("orders", number, params={"lines": 2})).text

        @service.tool
        async def send(http, message: str):
            """Sends."""
            return (await http.post(json={"message": message})).text

        return service

    yield make
    for service in services:
        await service.aclose()
