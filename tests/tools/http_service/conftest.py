"""An HTTP service with three tools."""

import pytest

from identity.credentials.requirement import ApiKeyRequirement
from tools.http_service.service import HTTPService


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
