"""The tool catalog: cached tools are joined once, and again after a change."""

from typing import Any

import pytest

from graph.tool_calls.tool_catalog import ToolCatalog
from tools.error_codes import ToolCode
from tools.service import ToolSchema


class Listing:
    """A service whose tools are cached while `known`; counts the requests for its list."""

    error_code = ToolCode.EXTERNAL_SERVICE_FAILED
    settings = ()

    def __init__(self, name, *tools):
        self.name = name
        self.known = True
        self.listings = 0
        self.list(*tools)

    def list(self, *tools):
        self.listed = [ToolSchema(tool, f"The tool {tool}.", {"type": "object"}) for tool in tools]

    def cached_tools(self, _access):
        return self.listed if self.known else None

    async def tools(self, _access):
        self.listings += 1
        return self.listed


@pytest.fixture
def services():
    return [Listing("amap", "weather"), Listing("enterprise", "greet")]


@pytest.fixture
def catalog(services):
    return ToolCatalog(services, seconds=5)


CREDENTIALS = {"amap": None, "enterprise": None}


async def test_cached_tools_are_joined_once_without_a_request(services: Any, catalog: Any) -> None:
    first, second = await catalog.offered(CREDENTIALS), await catalog.offered(CREDENTIALS)
    assert first is second
    assert first.services == {"weather": "amap", "greet": "enterprise"}
    assert [service.listings for service in services] == [0, 0]


async def test_changed_list_is_offered_at_once(services: Any, catalog: Any) -> None:
    await catalog.offered(CREDENTIALS)
    services[0].list("weather", "geo")
    assert set((await catalog.offered(CREDENTIALS)).services) == {"weather", "geo", "greet"}


async def test_tools_that_are_not_cached_are_listed_each_time(services: Any, catalog: Any) -> None:
    services[1].known = False
    first, second = await catalog.offered(CREDENTIALS), await catalog.offered(CREDENTIALS)
    assert first == second
    assert services[1].listings == 2
